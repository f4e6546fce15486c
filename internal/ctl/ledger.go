// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/ledger"
)

func (r *recorder) ledgerFile() string { return filepath.Join(r.cfg.StateDir, ledger.File) }

// ledger returns the boots in STATE_DIR/boots, and tells what is wrong with it.
func (r *recorder) ledger() []boots.Past {
	if r.state != nil {
		return nil
	}
	ps, err := ledger.Read(r.ledgerFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.tell(err.Error())
	}
	return ps
}

// enter adds the boots that are over to the ledger. Without a STATE_DIR there is none.
func (b *booting) enter(v boots.Verdict) error {
	if b.dry || b.bootID == "" || b.state != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(b.in.ctx, b.in.on.patience)
	defer cancel()
	err := ledger.Append(ctx, b.ledgerFile(), boots.Finished(b.ev, v)...)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // leaving the stamp tells it
	}
	return err
}

// amended returns the boots of this machine's log with what its ledger knows besides,
// and what the two tell differently.
func (r *recorder) amended(all []boots.Boot, present *boots.Present) (amended []boots.Boot, notes []string) {
	amended, differ := boots.Amend(all, r.known(), present)
	notes = r.report.Notes
	for _, d := range differ {
		notes = append(notes, r.differ(d.Log.From, d.Log.End, d.Log.To, d.Ledger))
	}
	return amended, notes
}

// known returns the boots that STATE_DIR knows to be over, also before `utmpctl boot` has
// entered the last one.
func (r *recorder) known() []boots.Past {
	if id, err := r.in.on.bootID(); err == nil {
		r.bootID = id
	}
	b := &booting{recorder: r}
	b.gather()
	return boots.Known(b.ev)
}

// differ says that the log and the ledger tell different ends of the boot of that time.
func (r *recorder) differ(boot time.Time, end boots.End, at time.Time, p boots.Past) string {
	return fmt.Sprintf("the boot of %s %s at %s according to %s, but %s at %s according to %s; the first is shown",
		localTime(boot), ended(end.String()), localTime(at), r.cfg.WtmpxFile, ended(p.End.String()), localTime(p.To), r.ledgerFile())
}
