// SPDX-License-Identifier: BSD-2-Clause

package table

import "testing"

func TestSameProcess(t *testing.T) {
	whole := ID{PID: 7, Start: 100, Inode: 9}
	for _, test := range []struct {
		name  string
		other ID
		want  bool
	}{
		{"all the same", whole, true},
		{"another pid", ID{PID: 8, Start: 100, Inode: 9}, false},
		{"another inode", ID{PID: 7, Start: 100, Inode: 10}, false},
		{"another start time, seen from another time namespace", ID{PID: 7, Start: 8640100, Inode: 9}, true},
		{"another start time, no inode", ID{PID: 7, Start: 101}, false},
		{"the same start time, no inode", ID{PID: 7, Start: 100}, true},
		{"nothing known", ID{PID: 7}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if whole.same(test.other) != test.want || test.other.same(whole) != test.want {
				t.Errorf("%v and %v: not %v both ways", whole, test.other, test.want)
			}
		})
	}
}
