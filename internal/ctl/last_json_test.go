// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"strconv"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// TestJSONTexts: the texts of a login are those that package recordjson makes, of each text
// alone.
func TestJSONTexts(t *testing.T) {
	for _, text := range []string{"", "x", "pts/0", "desk.example.org", `a"b`, `back\slash`, "\x1b[2J", "grüße", "\xff\xfe", "\x7f"} {
		for i := range 4 {
			r := utmpx.Record{User: "alice", Line: "pts/1", Host: "desk", ID: "p1"}
			fields := []*string{&r.User, &r.Line, &r.Host, &r.ID}
			*fields[i] = text
			var want []byte
			for i, name := range []string{"user", "line", "host", "id"} {
				want = recordjson.AppendText(want, name, *fields[i])
			}
			if got := string(jsonTexts(nil, &r)); got != string(want) {
				t.Errorf("%s, want %s", got, want)
			}
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
