// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"testing"
	"time"
)

func TestSame(t *testing.T) {
	whole := ID{PID: 7, Start: 100, Inode: 9}
	for _, tt := range []struct {
		name  string
		other ID
		want  bool
	}{
		{"itself", whole, true},
		{"another pid", ID{PID: 8, Start: 100, Inode: 9}, false},
		{"another inode", ID{PID: 7, Start: 100, Inode: 10}, false},
		{"another inode, start unknown", ID{PID: 7, Inode: 10}, false},
		{"another start time, as seen from another time namespace", ID{PID: 7, Start: 8640100, Inode: 9}, true},
		{"another start time, no inode", ID{PID: 7, Start: 101}, false},
		{"the same start time, no inode", ID{PID: 7, Start: 100}, true},
		{"start unknown", ID{PID: 7, Inode: 9}, true},
		{"nothing known but the pid", ID{PID: 7}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if whole.Same(tt.other) != tt.want || tt.other.Same(whole) != tt.want {
				t.Errorf("%v and %v: not %v both ways", whole, tt.other, tt.want)
			}
		})
	}
}

func TestOr(t *testing.T) {
	whole := ID{PID: 7, Start: 100, Inode: 9}
	for _, tt := range []struct {
		name     string
		id, want ID
	}{
		{"nothing known", ID{}, whole},
		{"the pid", ID{PID: 7}, whole},
		{"another start", ID{PID: 7, Start: 5}, ID{PID: 7, Start: 5, Inode: 9}},
		{"all known", ID{PID: 7, Start: 5, Inode: 6}, ID{PID: 7, Start: 5, Inode: 6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.id.Or(whole); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSinceBoot(t *testing.T) {
	if got, want := (ID{Start: 12345}).SinceBoot(), 123450*time.Millisecond; got != want {
		t.Errorf("SinceBoot() = %v, want %v", got, want)
	}
}
