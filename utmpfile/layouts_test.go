// SPDX-License-Identifier: BSD-2-Clause

package utmpfile_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestEveryLayout reads and writes files of each layout that there is, longer than the
// blocks in which they are read, and one compressed.
func TestEveryLayout(t *testing.T) {
	const n = 1200
	for _, layout := range utmpx.Layouts() {
		t.Run(layout.Name(), func(t *testing.T) {
			var records []utmpx.Record
			var want []string
			for i := range int64(n) {
				records = append(records, session("pts/0", fmt.Sprint(i), i))
				want = append(want, fmt.Sprint(i))
			}
			name := filepath.Join(t.TempDir(), "wtmp")
			write(t, name+".1", layout, records[:n/2]...)
			changed(t, name+".1", n/2)
			compress(t, name+".1")
			l := utmpfile.NewLog(write(t, name, layout, records[n/2:]...), nil)
			f := utmpfile.NewFile(name, nil)

			if got, err := l.Layout(); err != nil || got.Size() != layout.Size() {
				t.Fatalf("found %v, %v", got, err)
			}
			same := func(what string, want, got []string) {
				t.Helper()
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s (-want +got):\n%s", what, d)
				}
			}
			same("forward", want, users(t, l.Forward(t.Context())))
			same("since", want[5:], users(t, l.Since(t.Context(), at(5))))
			same("from", want[8:], users(t, l.From(t.Context(), positionOf(t, l, "7"))))
			backward := users(t, l.Backward(t.Context()))
			slices.Reverse(backward)
			same("backward", want, backward)

			if got, err := f.Snapshot(); err != nil || len(got) != n/2 || plain(got[7]) != records[n/2+7] {
				t.Errorf("snapshot: %d records, %v", len(got), err)
			}
			// A log of another system is written only on request.
			r := utmpfile.Recorder{File: f, Log: utmpfile.NewLog(name, &utmpfile.Options{Layout: layout})}
			if err := r.Logout(t.Context(), "pts/0", at(n)); err != nil {
				t.Error(err)
			}
			if err := r.Login(t.Context(), utmpfile.Session{Line: "pts/1", User: "bob", Time: at(n + 1)}); err != nil {
				t.Error(err)
			}
			// File and log are the same file here: one record each, and the logout's.
			if got, err := f.Read(n/2 + 1); err != nil || got.User != "bob" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}
