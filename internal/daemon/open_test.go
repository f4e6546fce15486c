// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

// stored is a store with a state in it.
type stored struct {
	state.State
	err error
}

func (s stored) Load() (state.State, error) { return s.State, s.err }
func (s stored) Save(state.State) error     { return nil }

func (s stored) Append(...state.Change) (bool, error) { return false, nil }

// TestLoadTable: the table of an earlier run counts in the same boot only.
func TestLoadTable(t *testing.T) {
	login := utmpx.Glibc384LE.Decode(string(make([]byte, utmpx.Glibc384LE.Size())))
	owed := session.Checkpoint{Owed: []session.Debt{{Login: login, End: time.Unix(1e9, 0)}}}
	tests := []struct {
		name   string
		bootID string
		stored stored
		want   int // logouts owed
	}{
		{"of this boot", "b1", stored{State: state.State{BootID: "b1", Checkpoint: owed}}, 1},
		{"of another boot", "b2", stored{State: state.State{BootID: "b1", Checkpoint: owed}}, 0},
		{"of an unknown boot", "", stored{State: state.State{Checkpoint: owed}}, 0},
		{"not to be read", "b1", stored{State: state.State{BootID: "b1", Checkpoint: owed}, err: errors.New("torn")}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &daemon{
				log: logger{slog.New(slog.DiscardHandler), io.NopCloser(nil)}, bootID: tt.bootID,
				store: tt.stored, begun: stored{err: fs.ErrNotExist}, table: table.New(table.Settings{}),
			}
			d.loadTable()
			if got := d.table.Counts().Owed; got != tt.want {
				t.Errorf("%d logouts are owed, want %d", got, tt.want)
			}
		})
	}
}

// TestHostileTimeIsNotSaved: a logout that waits has its login's time at least. One
// from a record with a time that no calendar has must not keep the rest from being
// saved.
func TestHostileTimeIsNotSaved(t *testing.T) {
	l := utmpx.Glibc400LE
	owed := func(sec int64) session.Debt {
		b, err := l.Encode(utmpx.Record{Type: utmpx.UserProcess, PID: 100, Line: "pts/0", User: "alice", Time: utmpx.Time{Sec: sec}})
		if err != nil {
			t.Fatal(err)
		}
		r := l.Decode(string(b))
		return session.Debt{Login: r, End: r.Time.Time()}
	}
	for _, sec := range []int64{1 << 40, -1 << 40, 1<<63 - 1, -1 << 63} {
		st := state.State{BootID: "b1", Checkpoint: session.Checkpoint{Alive: time.Unix(1e9, 0), Owed: []session.Debt{owed(sec), owed(1e9)}}}
		b, err := st.MarshalBinary()
		if err != nil {
			t.Errorf("%d seconds: %v", sec, err)
			continue
		}
		var back state.State
		if err := back.UnmarshalBinary(b); err != nil || len(back.Owed) != 1 {
			t.Errorf("%d seconds: %v, %d logouts", sec, err, len(back.Owed))
		}
	}
}

// TestDryRunPaysNothing: with -n, logouts that wait for wtmp wait on, for a run that
// writes.
func TestDryRunPaysNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "wtmp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if paid := payOne(t, dir, true); len(paid.Left) != 1 {
		t.Errorf("%+v, want the logout to be left", paid)
	}
}

// TestNothingIsOwedForEver: logouts wait for a missing log, and not for one that takes no
// records.
func TestNothingIsOwedForEver(t *testing.T) {
	dir := t.TempDir()
	if paid := payOne(t, dir, false); len(paid.Left) != 1 || paid.Err == nil {
		t.Errorf("missing: %+v, want the logout to be left", paid)
	}
	if err := os.Mkdir(filepath.Join(dir, "wtmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if paid := payOne(t, dir, false); len(paid.Left) != 0 || paid.Err == nil {
		t.Errorf("not a file: %+v, want no logout to be left", paid)
	}
}

// payOne lets a daemon pay one logout to the wtmp of a directory.
func payOne(t *testing.T, dir string, dryRun bool) table.Paid {
	d := &daemon{flags: flags{dryRun: dryRun}, inputs: make(chan []input, 1), done: make(chan struct{})}
	d.cleaner = cleaner.New(cleaner.Options{
		File: recfile.NewFile(filepath.Join(dir, "utmp"), recfile.Options{}), Log: openlogins.New(filepath.Join(dir, "wtmp"), recfile.Options{}),
		DryRun: dryRun, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.cleaner.Run(ctx) })
	defer running.Wait()
	defer stop()
	d.payDebts([]session.Debt{{End: time.Unix(1e9, 0)}})
	return (<-d.inputs)[0].events[0].(table.Paid)
}

// TestAllIsSaved: as many sessions as there can be may all have died while wtmp
// fails, with as many logouts waiting as are kept. A kill must not lose them.
func TestAllIsSaved(t *testing.T) {
	l := utmpx.Glibc400LE
	b, err := l.Encode(utmpx.Record{Type: utmpx.UserProcess, PID: 1 << 22, Line: "pts/0", User: "alice", Time: utmpx.Time{Sec: 1e9}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 123456789)
	owed := session.Debt{Login: l.Decode(string(b)), End: at, Status: session.Status{Known: true, Wait: 9}}
	st := session.Checkpoint{Alive: at}
	for i := range recfile.MaxRecords {
		id := session.ID{PID: int32(1<<22 - i), Start: 1 << 40, Inode: 1 << 40}
		st.Sessions = append(st.Sessions, session.Entry{Slot: i, ID: id, Since: at, End: at})
	}
	for range recfile.MaxRecords + table.OwedMost {
		st.Owed = append(st.Owed, owed)
	}
	text, err := state.State{BootID: "b1", File: snapshot.Generation{Dev: 1 << 60, Ino: 1 << 60}, Checkpoint: st}.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(text))
}
