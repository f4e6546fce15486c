// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
			if all = append(all, string(appendSession(nil, s, time.Time{}))); len(all) == most {
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

// TestSeconds: durations are as package strconv formats them.
func TestSeconds(t *testing.T) {
	for _, d := range []time.Duration{0, 1, -1, 1e9, 1500 * time.Millisecond, -250 * time.Millisecond, 86400e9 + 1000, 123456789e9 + 120_000} {
		want := `,"x":` + strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
		if got := string(jsonSeconds(nil, "x", d, true)); got != want {
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
		want := string(jsonTime(jsonTime(jsonTime(nil, "to", s.To), "to_least", least), "to_most", most))
		if got := string(jsonEnd(nil, &s)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
