// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// TestMistakenNames has pairs of names of which one is not what it should be.
func TestMistakenNames(t *testing.T) {
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	if err := errors.Join(os.WriteFile(name("sessions"), nil, 0o600), os.Link(name("sessions"), name("hard")), os.WriteFile(name("wtmp"), nil, 0o600), os.Symlink("wtmp", name("link"))); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, utmpx, wtmpx string
		mistaken           bool
	}{
		{"the usual names", "utmp", "wtmp", false},
		{"names with an x", "utmpx", "wtmpx", false},
		{"other names", "sessions", "logins", false},
		{"a link to the log", "link", "other", true},
		{"a rotated log", "wtmp-20240101", "other", true},
		{"swapped", "wtmp", "utmp", true},
		{"the log has the other's name", "sessions", "utmpx", true},
		{"failed logins as the log", "utmp", "btmp", true},
		{"one name", "sessions", "sessions", true},
		{"a hard link", "sessions", "hard", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := Mistaken(name(test.utmpx), name(test.wtmpx), Options{}); (err != nil) != test.mistaken {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestApart makes the two names lead to one file while both are in use.
func TestApart(t *testing.T) {
	dir := t.TempDir()
	utmp, wtmp := filepath.Join(dir, "utmp"), filepath.Join(dir, "wtmp")
	r := utmpx.Record{Type: utmpx.UserProcess, PID: 1, ID: "ts/0", Line: "pts/0", User: "alice", Time: utmpx.TimeOf(time.Unix(1700000000, 0))}
	b, _ := utmpx.Native().AppendEncode(nil, r)
	if err := errors.Join(os.WriteFile(utmp, b, 0o600), os.WriteFile(wtmp, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	file, log := NewFile(utmp, Options{Apart: wtmp}), NewLog(wtmp, Options{Apart: utmp})
	s, err := file.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(wtmp), os.Link(utmp, wtmp)); err != nil {
		t.Fatal(err)
	}
	dead := r
	dead.Type = utmpx.DeadProcess
	_, readErr := file.Snapshot(nil)
	_, swapErr := file.Swap(context.Background(), s.Generation(), []Swap{{Old: s.Record(0), New: dead}})
	for op, err := range map[string]error{"read": readErr, "swap": swapErr, "append": log.Append(context.Background(), r)} {
		if !errors.Is(err, ErrOneFile) {
			t.Errorf("%s: %v, want %v", op, err, ErrOneFile)
		}
	}
	if now, err := os.ReadFile(utmp); err != nil || string(now) != string(b) {
		t.Errorf("the file was changed: %v", err)
	}
}
