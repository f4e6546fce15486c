// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"context"
	"testing"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestEmptyLogTakesTheRecordsLayout: an empty log, as a rotation leaves it, shows
// no layout. What is written first is as the system's programs will go on: as
// they wrote the records it comes from.
func TestEmptyLogTakesTheRecordsLayout(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		t.Run(l.Name(), func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				login := raw(t, l, sess("pts/0", 1))
				w.Write(t, "wtmp.1", login)
				w.Write(t, "wtmp", nil)
				logout := l.Decode(string(login))
				logout.Type, logout.User, logout.Host = utmpx.DeadProcess, "", ""
				want := string(raw(t, l, logout))

				log := New(w.Path("wtmp"), recfile.Options{System: w.System()})
				check(t, log.Append(context.Background(), func(logins *Logins) []utmpx.Record {
					if _, open := logins.On("pts/0"); !open {
						t.Error("the login in the rotated log is not open")
					}
					return []utmpx.Record{logout}
				}))
				if got := string(w.Read(t, "wtmp")); got != want {
					t.Errorf("%d bytes, want a record of %d:\n%q", len(got), l.Size(), got)
				}
				if _, open := read(t, log).On("pts/0"); open {
					t.Error("still open after its logout")
				}

				w.Write(t, "wtmp", nil)
				check(t, recfile.NewLog(w.Path("wtmp"), recfile.Options{System: w.System()}).Append(context.Background(), logout))
				if got := string(w.Read(t, "wtmp")); got != want {
					t.Errorf("recfile's Append: %d bytes, want a record of %d", len(got), l.Size())
				}
			})
		})
	}
}
