// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"testing"

	"utmpd.dev/utmpd/internal/session"
)

func TestSameProcess(t *testing.T) {
	whole := session.ID{PID: 7, Start: 100, Inode: 9}
	for _, test := range []struct {
		name  string
		other session.ID
		want  bool
	}{
		{"all the same", whole, true},
		{"another pid", session.ID{PID: 8, Start: 100, Inode: 9}, false},
		{"another inode", session.ID{PID: 7, Start: 100, Inode: 10}, false},
		{"another start time, seen from another time namespace", session.ID{PID: 7, Start: 8640100, Inode: 9}, true},
		{"another start time, no inode", session.ID{PID: 7, Start: 101}, false},
		{"the same start time, no inode", session.ID{PID: 7, Start: 100}, true},
		{"nothing known", session.ID{PID: 7}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if whole.Same(test.other) != test.want || test.other.Same(whole) != test.want {
				t.Errorf("%v and %v: not %v both ways", whole, test.other, test.want)
			}
		})
	}
}
