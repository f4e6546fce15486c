// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// TestAhead: sessions that a goroutine finds ahead are those that the caller would find, as
// far as it goes.
func TestAhead(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	const n = 9000
	var log []byte
	for i := range n {
		r := login(fmt.Sprint("pts/", i%70), int32(i%30000)+100, "08:00")
		r.Host = fmt.Sprint("host", i, ".example.org")
		if i%3 == 2 {
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
		}
		r.Time = utmpx.TimeOf(at("2026-07-01 08:00").Add(time.Duration(i) * time.Second))
		log = append(log, encode(t, r)...)
	}
	name := filepath.Join(t.TempDir(), "wtmp")
	if err := os.WriteFile(name, log, 0o600); err != nil {
		t.Fatal(err)
	}
	found := func(ahead bool, most int) (all []string) {
		l := &sessionLog{in: call{ctx: t.Context(), values: map[string][]string{"f": {name}}, stderr: io.Discard}}
		each := l.all()
		if ahead {
			each = l.ahead()
		}
		for s := range each {
			if all = append(all, string(new(sessionLines).append(nil, s))); len(all) == most {
				break
			}
		}
		return all
	}
	want := found(false, n)
	for _, most := range []int{1, 17, 2500, n} {
		if d := cmp.Diff(want[:min(most, len(want))], found(true, most)); d != "" {
			t.Fatalf("%d sessions: -want +ahead\n%s", most, d)
		}
	}
	if len(want) != 2*n/3 {
		t.Errorf("%d sessions", len(want))
	}
}

// TestBunch: a bunch that was used before has all of a session's fields.
func TestBunch(t *testing.T) {
	full := func(n int64) sessions.Session {
		at := time.Unix(n, n)
		return sessions.Session{
			Login: utmpx.Record{Type: utmpx.Type(n), PID: int32(n), Line: fmt.Sprint("line", n), ID: fmt.Sprint(n), User: fmt.Sprint("user", n),
				Host: fmt.Sprint("host", n), Session: n, Time: utmpx.Time{Sec: n, Usec: n}, Exit: utmpx.Exit{Termination: int16(n), Exit: int16(n)}, Addr: [16]byte{byte(n)}},
			From: at, End: sessions.Ending(fmt.Sprint(n)), To: at.Add(1), Exact: n%2 == 0, Least: at.Add(2), Most: at.Add(3),
			Exit: utmpx.Exit{Termination: int16(n)}, By: boots.Source(fmt.Sprint(n)), Stepped: time.Duration(n), Jumped: n%2 == 0,
		}
	}
	for _, v := range []reflect.Value{reflect.ValueOf(full(2)), reflect.ValueOf(full(2).Login)} {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && v.Field(i).IsZero() {
				t.Errorf("the test lacks a value of %s", f.Name)
			}
		}
	}
	var b bunch
	for n := int64(1); n < 5; n++ {
		if n%2 == 0 {
			b.all, b.text = b.all[:0], b.text[:0]
		}
		s := full(n)
		b.add(&s)
		if d := cmp.Diff(s, b.all[len(b.all)-1], cmpopts.EquateComparable(utmpx.Record{})); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	}
}

// TestSeconds: durations are as package strconv formats them.
func TestSeconds(t *testing.T) {
	for _, d := range []time.Duration{0, 1, -1, 1e9, 1500 * time.Millisecond, -250 * time.Millisecond, 86400e9 + 1000, 123456789e9 + 120_000} {
		want := strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
		if got := string(jsonSeconds(nil, d, true)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestJSONEnd: an end that is known exactly has three equal times.
func TestJSONEnd(t *testing.T) {
	to := at("2026-07-01 08:00")
	for _, s := range []sessions.Session{{To: to, Exact: true}, {Exact: true}, {To: to, Least: to.Add(-time.Second)}, {}} {
		least, most := s.Least, s.Most
		if s.Exact {
			least, most = s.To, s.To
		}
		var l sessionLines
		want := l.time([]byte(`,"to":`), s.To)
		want = l.time(append(want, `,"to_least":`...), least)
		want = l.time(append(want, `,"to_most":`...), most)
		if got := string(l.times(nil, &s)); got != string(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
