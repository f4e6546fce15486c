// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/simfile"
)

// TestDamageIsNoGap checks that the records around damage count, and that a login which
// nothing can read any more is not taken for open.
func TestDamageIsNoGap(t *testing.T) {
	b := raw(t, layout, sess("pts/1", 1), sess("pts/2", 2), sess("pts/3", 3), dead("pts/1", 4), sess("pts/4", 5))
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp", slices.Delete(b, 2*384+100, 3*384))
	l := openLog(w)
	logins := read(t, l)
	wantOpen(t, logins, "pts/2", 1002)
	wantOpen(t, logins, "pts/4", 1005)
	if _, open := logins.On("pts/1"); open || !logins.Complete() {
		t.Errorf("pts/1 is open: %v, complete: %v", open, logins.Complete())
	}
	if logins.MayBeOpen("pts/3", sess("", 3).Time) {
		t.Error("a login that may have been in the damage may be open")
	}
	// What is appended is read from there on, behind new damage too.
	w.Change(t, "wtmp", func(b []byte) []byte {
		return slices.Concat(b, raw(t, layout, sess("pts/5", 6))[:50], raw(t, layout, dead("pts/2", 7)))
	})
	logins = read(t, l)
	wantOpen(t, logins, "pts/4", 1005)
	if _, open := logins.On("pts/2"); open {
		t.Error("a logout behind damage is not read")
	}
}
