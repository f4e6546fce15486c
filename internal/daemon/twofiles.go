// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
)

// twoFiles makes sure that the utmpx file is not a log. system is nil for the kernel's
// files.
type twoFiles struct {
	utmpx, wtmpx string
	system       sysfile.System
	checked      snapshot.Generation // the file whose records were looked at
}

func newTwoFiles(cfg config.Fixed, system sysfile.System) *twoFiles {
	if system == nil {
		system = sysfile.Kernel()
	}
	return &twoFiles{utmpx: cfg.UtmpxFile, wtmpx: cfg.WtmpxFile, system: system}
}

// check returns an error if the utmpx file is a log: see [recfile.Mistaken].
func (t *twoFiles) check() error {
	return recfile.Mistaken(t.utmpx, t.wtmpx, recfile.Options{System: t.system})
}

// checkScan does the same after a reading. A file is replaced, and a link set, at any time.
// look looks at the names: it may give up.
func (t *twoFiles) checkScan(ev scanner.Event, look func(func() error) error) error {
	replaced := ev.Snapshot.Generation() != t.checked
	if !replaced && !ev.Periodic {
		return nil
	}
	if err := look(func() error {
		return recfile.MistakenNames(t.utmpx, t.wtmpx, recfile.Options{System: t.system})
	}); err != nil {
		return err
	}
	if !replaced {
		return nil
	}
	t.checked = ev.Snapshot.Generation()
	return recfile.MistakenRecords(t.utmpx, ev.Snapshot)
}

// faults returns what is wrong with the two files as -check reports it: also what the
// daemon would wait for.
func (t *twoFiles) faults() map[string]error {
	faults := map[string]error{}
	if err := t.check(); err != nil {
		faults["UTMPX_FILE"] = err
	} else if err := present(recfile.NewFile(t.utmpx, recfile.Options{}).Check(), t.utmpx); err != nil {
		faults["UTMPX_FILE"] = fmt.Errorf("UTMPX_FILE: %w", err)
	}
	_, err := recfile.NewLog(t.wtmpx, recfile.Options{}).Layout()
	if err := present(err, t.wtmpx); err != nil && !isNull(t.wtmpx) {
		faults["WTMPX_FILE"] = fmt.Errorf("WTMPX_FILE: %w", err)
	}
	return faults
}

// present returns the error of a file. One that is missing or empty may come, if its
// directory is there.
func present(err error, name string) error {
	switch {
	case err == nil, errors.Is(err, recfile.ErrEmpty), errors.Is(err, recfile.ErrTooLong):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if _, dir := filepath.EvalSymlinks(filepath.Dir(name)); dir != nil {
			return fmt.Errorf("%s: its directory is missing", name)
		}
		return nil
	}
	return err
}

// isNull reports whether a name leads to /dev/null: a log that is not kept.
func isNull(name string) bool {
	to, err := filepath.EvalSymlinks(name)
	return err == nil && to == "/dev/null"
}
