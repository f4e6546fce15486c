// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/sessions"
)

// TestManyUsers: of more users than are counted, the rest is counted together.
func TestManyUsers(t *testing.T) {
	v := &listing{in: call{}, users: map[string]*int{}}
	for i := range mostUsers + 3 {
		v.count(fmt.Sprint("u", i))
	}
	v.count("u7")
	if len(v.users) != mostUsers || v.other != 3 {
		t.Errorf("%d users, %d of others", len(v.users), v.other)
	}
	if got, want := v.total(screen{}), "65540 sessions: 2 u7, 1 u0, 1 u1, 1 u10, 1 u100, and of more than 65531 other users"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, json := range []bool{false, true} {
		var b bytes.Buffer
		if err := (&counts{v, &b, json}).end(); err != nil {
			t.Fatal(err)
		}
		want := "\n3 of others: no more than 65536 users are counted each\n65540 in all\n"
		if json {
			want = `},"other_users":3}` + "\n"
		}
		if got := b.String(); !strings.HasSuffix(got, want) {
			t.Errorf("it ends in %q, want %q", got[len(got)-100:], want)
		}
	}
}

// TestManyPresent: of more sessions than are sorted, who -at says how many it leaves out.
func TestManyPresent(t *testing.T) {
	moment := at("2026-07-01 08:00")
	a := &attendanceAt{at: moment, of: wanted{all: true}, in: call{}}
	s := sessions.Session{From: moment, End: sessions.StillOn}
	for i := range mostPresent + 2 {
		s.Login.Line = fmt.Sprint("pts/", i)
		a.take(s)
	}
	if len(a.all) != mostPresent || a.left != 2 || a.certain != mostPresent+2 || a.all[77].Login.Line != "pts/77" {
		t.Errorf("%d sessions, %d left out, %d certain, %q", len(a.all), a.left, a.certain, a.all[77].Login.Line)
	}
}
