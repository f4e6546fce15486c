// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

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

				log := recfile.NewLog(w.Path("wtmp"), recfile.Options{System: w.System()})
				var lines recfile.Lines
				check(t, log.AppendAfter(context.Background(), &lines, func(lines *recfile.Lines) []utmpx.Record {
					if _, open := lines.Last("pts/0"); !open {
						t.Error("the login in the rotated log does not stand open")
					}
					return []utmpx.Record{logout}
				}))
				if got := string(w.Read(t, "wtmp")); got != want {
					t.Errorf("%d bytes, want a record of %d:\n%q", len(got), l.Size(), got)
				}
				if _, open := lines.Last("pts/0"); open {
					t.Error("still open after its logout")
				}

				w.Write(t, "wtmp", nil)
				check(t, log.Append(context.Background(), logout))
				if got := string(w.Read(t, "wtmp")); got != want {
					t.Errorf("Append: %d bytes, want a record of %d", len(got), l.Size())
				}
			})
		})
	}
}
