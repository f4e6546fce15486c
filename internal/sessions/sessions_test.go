// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/utmpx"
)

func TestSessions(t *testing.T) {
	for _, tt := range []struct{ name, log, want string }{
		{"a logout", `12:00 in pts/0 ann 5
			13:00 out pts/0 5`, "ann pts/0 12:00 logout 13:00 1h0m0s"},
		{"a logout by another process", `12:00 in tty1 ann 5
			13:00 out tty1 0`, "ann tty1 12:00 logout 13:00 1h0m0s"},
		{"killed", `12:00 in pts/0 ann 5
			13:00 killed pts/0 5`, "ann pts/0 12:00 killed 13:00 1h0m0s"},
		{"closed by utmpd", `12:00 in pts/0 ann 5
			13:00 utmpd pts/0 5 utmpd`, "ann pts/0 12:00 utmpd 13:00 1h0m0s"},
		{"closed by utmpd, with bounds", `12:00 in pts/0 ann 5
			13:00 utmpd pts/0 5 utmpd-90s`, "ann pts/0 12:00 utmpd 12:58:30..13:00"},
		{"bounds begin with the login", `12:59 in pts/0 ann 5
			13:00 utmpd pts/0 5 utmpd-90s`, "ann pts/0 12:59 utmpd 12:59..13:00"},
		{"the next login on the line", `12:00 in pts/0 ann 5
			13:00 in pts/0 bob 6
			14:00 out pts/0 6`, "bob pts/0 13:00 logout 14:00 1h0m0s, ann pts/0 12:00 replaced 12:00..13:00"},
		{"a getty has the line", `12:00 in tty1 ann 5
			13:00 getty tty1 6
			14:00 in tty1 bob 6`, "bob tty1 14:00 open 14:00..-, ann tty1 12:00 replaced 12:00..13:00"},
		{"recorded twice", `12:00 in tty1 ann 5
			12:00:01 in tty1 ann 5
			13:00 out tty1 5`, "ann tty1 12:00:01 logout 13:00 59m59s"},
		{"two users in one second", `12:00 in tty1 ann 5
			12:00 in tty1 bob 5
			13:00 out tty1 5`, "bob tty1 12:00 logout 13:00 1h0m0s, ann tty1 12:00 replaced 12:00..12:00 0s"},
		{"shut down", `12:00 in pts/0 ann 5
			13:00 shutdown
			13:01 out pts/0 5`, "ann pts/0 12:00 shutdown 13:00 1h0m0s"},
		{"a crash with bounds", `12:00 in pts/0 ann 5
			13:00 crash crash+60s,heartbeat
			13:10 boot`, "ann pts/0 12:00 crash 13:00..13:01"},
		{"a crash, of which the time is not known", `12:00 in pts/0 ann 5
			13:00 crash crash+?,last-record
			13:10 boot`, "ann pts/0 12:00 crash 13:00..-"},
		{"a boot without a shutdown", `12:00 in pts/0 ann 5
			12:30 in pts/1 bob 6
			13:09 init
			13:10 boot`, "bob pts/1 12:30 crash 12:30..13:10, ann pts/0 12:00 crash 12:30..13:10"},
		{"a boot by a clock that is behind", `12:00 in pts/0 ann 5
			10:00 boot`, "ann pts/0 12:00 crash 12:00..-"},
		{"a line given again after a boot", `12:00 in pts/0 ann 5
			13:00 shutdown
			13:10 boot
			13:20 in pts/0 bob 6
			13:30 out pts/0 6`, "bob pts/0 13:20 logout 13:30 10m0s, ann pts/0 12:00 shutdown 13:00 1h0m0s"},
		{"open", `12:00 in pts/0 ann 5
			13:00 getty tty1 6`, "ann pts/0 12:00 open 13:00..-"},
		{"a logout without a login", `12:00 out pts/0 5
			13:00 in pts/0 ann 6
			14:00 out pts/0 6`, "ann pts/0 13:00 logout 14:00 1h0m0s"},
		{"the end of its process, without a line", `12:00 in pts/0 ann 5
			12:10 dead ts/9 5
			13:00 dead ts/0 5
			14:00 out pts/0 5`, "ann pts/0 12:00 logout 13:00 1h0m0s"},
		{"two lines of one process", `12:00 in pts/0 ann 5
			12:00 in a/pts/0 ann 5
			13:00 dead ts/0 5`, "ann a/pts/0 12:00 logout 13:00 1h0m0s, ann pts/0 12:00 logout 13:00 1h0m0s"},
		{"the clock was set back", `12:00 in pts/0 ann 5
			12:30 old
			11:30 new
			11:45 out pts/0 5`, "ann pts/0 12:00 logout 11:45 45m0s"},
		{"the clock was set forward", `12:00 in pts/0 ann 5
			12:30 old
			15:30 new
			15:45 out pts/0 5`, "ann pts/0 12:00 logout 15:45 45m0s"},
		{"the clock was set by an unknown step", `12:00 in pts/0 ann 5
			15:30 new
			15:45 out pts/0 5`, "ann pts/0 12:00 logout 12:00..-"},
		{"set back without a record", `12:00 in pts/0 ann 5
			11:45 out pts/0 5`, "ann pts/0 12:00 logout 12:00..-"},
		{"damage before the logout of another process", `12:00 in pts/0 ann 5
			damage
			13:00 out pts/0 6`, "ann pts/0 12:00 unknown 12:00..13:00"},
		{"damage before its own logout", `12:00 in pts/0 ann 5
			damage
			13:00 out pts/0 5`, "ann pts/0 12:00 logout 13:00 1h0m0s"},
		{"damage before a shutdown", `12:00 in pts/0 ann 5
			damage
			13:00 shutdown`, "ann pts/0 12:00 unknown 12:00..13:00"},
		{"damage at the end", `12:00 in pts/0 ann 5
			damage`, "ann pts/0 12:00 unknown 12:00..-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := parse(t, tt.log)
			found, _ := backward(all, nil)
			var got []string
			for _, s := range found {
				got = append(got, short(s))
			}
			if d := gocmp.Diff(tt.want, strings.Join(got, ", ")); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			same(t, all)
		})
	}
}

// same checks that both directions find the same sessions.
func same(t *testing.T, all []*utmpx.Record) {
	t.Helper()
	b, _ := backward(all, nil)
	f := forward(all)
	sort := func(s []Session) {
		slices.SortFunc(s, func(x, y Session) int { return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	}
	sort(b)
	sort(f)
	if d := gocmp.Diff(f, b, cmpopts.IgnoreUnexported(utmpx.Record{})); d != "" {
		t.Errorf("(-forward +backward)\n%s", d)
	}
}

// FuzzDirections: whatever a log holds, both directions find the same sessions, none of
// which lasted a negative time or ended before it began.
func FuzzDirections(f *testing.F) {
	f.Add([]byte("\x00\x10\x01\x02\x01\x12\x01\x02"))
	f.Add([]byte("\x00\x10\x01\x02\x07\x11\x00\x00\x08\x02\x00\x00\x01\x12\x01\x02\x06\x20\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []*utmpx.Record
		for ; len(data) >= 4 && len(all) < 500; data = data[4:] {
			all = append(all, fuzzed(binary.LittleEndian.Uint32(data)))
		}
		same(t, all)
		found, _ := backward(all, nil)
		for _, s := range found {
			least, most, ok := s.Lasted(day)
			if ok && (least < 0 || most >= 0 && most < least) || !s.Most.IsZero() && s.Most.Before(s.Least) {
				t.Errorf("%s: %v to %v", short(s), least, most)
			}
		}
	})
}

// fuzzed returns a record of few lines, processes, users and times.
func fuzzed(v uint32) *utmpx.Record {
	kind, when, who, pid := v&0xf, v>>8&0xff, v>>16&0xff, v>>24&3
	line := fmt.Sprint("pts/", who&3)
	r := utmpx.Record{Line: line, PID: int32(pid), ID: fmt.Sprint(who >> 2 & 1), Time: utmpx.Time{Sec: 1_700_000_000 + int64(when)}}
	if when == 0 {
		r.Time.Sec = 0
	}
	switch kind {
	case 0, 1, 2:
		r.Type, r.User = utmpx.UserProcess, fmt.Sprint("u", who>>3&1)
	case 3, 4:
		r.Type = utmpx.DeadProcess
	case 5:
		r.Type, r.Host = utmpx.DeadProcess, "utmpd-9s"
	case 6:
		r.Type = utmpx.LoginProcess
	case 7:
		r = boots.BootRecord(r.Time.Time(), "6")
	case 8:
		r = boots.ShutdownRecord(r.Time.Time(), "6")
	case 9:
		r = boots.ShutdownRecord(r.Time.Time(), "crash+9s,heartbeat")
	case 10:
		r.Type, r.Line = utmpx.OldTime, "|"
	case 11:
		r.Type, r.Line = utmpx.NewTime, "{"
	case 12, 13:
		r.Type, r.Line = utmpx.DeadProcess, ""
	case 14:
		return nil
	case 15:
		r.Type, r.Line = utmpx.RunLevel, "~"
	}
	return &r
}

func TestRest(t *testing.T) {
	_, b := backward(parse(t, `12:00 out pts/0 5
		12:05 getty tty1 6
		12:10 in pts/1 ann 7
		12:20 out pts/2 8
		12:30 boot
		12:40 out pts/3 9`), nil)
	var got []string
	for _, s := range b.Rest() {
		got = append(got, short(s))
	}
	want := []string{" pts/0 - logout 12:00", " pts/2 - logout 12:20"}
	if d := gocmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestPresent: what is in the utmpx file now is on; other logins without an end are gone.
func TestPresent(t *testing.T) {
	all := parse(t, `12:00 in pts/0 ann 5
		12:10 in pts/1 bob 6
		12:20 in pts/2 cid 7
		12:30 out pts/2 7
		damage`)
	for _, c := range []struct{ on, want string }{
		{"", "cid logout, bob unknown, ann unknown"},
		{"bob", "cid logout, bob still-on, ann unknown"},
		{"cid", "cid logout, bob unknown, ann unknown"},
	} {
		found, _ := backward(all, func(r *utmpx.Record) bool { return r.User == c.on })
		var got []string
		for _, s := range found {
			got = append(got, s.Login.User+" "+string(s.End))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s is on: %s, want %s", c.on, text, c.want)
		}
	}
	found, _ := backward(all[:1], func(*utmpx.Record) bool { return false })
	if found[0].End != Gone {
		t.Errorf("%v", found)
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct{ name, log, since, until, want string }{
		{"before", "12:00 in a ann 5\n13:00 out a 5", "11:00", "11:59", "off"},
		{"at its login", "12:00 in a ann 5\n13:00 out a 5", "12:00", "12:00", "on"},
		{"in it", "12:00 in a ann 5\n13:00 out a 5", "12:30", "12:30", "on"},
		{"at its end", "12:00 in a ann 5\n13:00 out a 5", "13:00", "13:00", "off"},
		{"around it", "12:00 in a ann 5\n13:00 out a 5", "11:00", "14:00", "on"},
		{"over its end", "12:00 in a ann 5\n13:00 out a 5", "12:30", "14:00", "on"},
		{"before bounds", "12:00 in a ann 5\n13:00 utmpd a 5 utmpd-60s", "12:58", "12:58", "on"},
		{"in bounds", "12:00 in a ann 5\n13:00 utmpd a 5 utmpd-60s", "12:59:30", "12:59:30", "maybe"},
		{"after bounds", "12:00 in a ann 5\n13:00 utmpd a 5 utmpd-60s", "13:00", "13:00", "off"},
		{"over a line's next login", "12:00 in a ann 5\n13:00 in a bob 6", "12:30", "12:30", "maybe"},
		{"a crash", "12:00 in a ann 5\n12:30 in b bob 6\n13:00 boot", "12:40", "12:40", "maybe"},
		{"before a crash", "12:00 in a ann 5\n12:30 in b bob 6\n13:00 boot", "12:20", "12:20", "on"},
		{"open", "12:00 in a ann 5\n12:30 in b bob 6", "12:20", "12:20", "on"},
		{"after the log's end", "12:00 in a ann 5\n12:30 in b bob 6", "12:40", "12:40", "maybe"},
		{"the clock was set", "12:00 in a ann 5\n12:30 old\n11:00 new\n11:30 out a 5", "11:45", "11:45", "maybe"},
		{"before both clocks", "12:00 in a ann 5\n12:30 old\n11:00 new\n11:30 out a 5", "11:15", "11:15", "off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, _ := backward(parse(t, tt.log), nil)
			s := found[len(found)-1]
			if got := [...]string{"off", "maybe", "on"}[s.Within(at(tt.since).Time(), at(tt.until).Time())]; got != tt.want {
				t.Errorf("%s: %s, want %s", short(s), got, tt.want)
			}
		})
	}
}

func TestAmend(t *testing.T) {
	past := func(from, to string, end boots.End, within int) boots.Past {
		return boots.Past{From: at(from).Time(), To: at(to).Time(), End: end, By: boots.FromHeartbeat,
			Exact: boots.Exactness{Known: true, Within: time.Duration(within) * time.Second}}
	}
	for _, tt := range []struct {
		name   string
		ledger []boots.Past
		want   string
	}{
		{"nothing known", nil, "ann pts/0 12:00 crash 12:30..14:00"},
		{"a heartbeat", []boots.Past{past("10:00", "11:00", boots.ShutDown, 0), past("11:30", "13:00", boots.Crashed, 60)}, "ann pts/0 12:00 crash 13:00..13:01"},
		{"a shutdown", []boots.Past{past("11:30", "13:00", boots.ShutDown, 0)}, "ann pts/0 12:00 shutdown 13:00 1h0m0s"},
		{"a boot after it", []boots.Past{past("13:00", "13:30", boots.Crashed, 60)}, "ann pts/0 12:00 crash 12:30..14:00"},
		{"a boot before it", []boots.Past{past("11:00", "11:50", boots.Crashed, 60)}, "ann pts/0 12:00 crash 12:30..14:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, _ := backward(parse(t, "12:00 in pts/0 ann 5\n12:30 getty tty1 6\n14:00 boot"), nil)
			s := found[0]
			s.Amend(tt.ledger)
			if short(s) != tt.want {
				t.Errorf("%s, want %s", short(s), tt.want)
			}
		})
	}
}

// TestLayouts: the bytes in which a system writes its records make no difference.
func TestLayouts(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		var all []*utmpx.Record
		for _, r := range parse(t, "12:00 in pts/0 ann 5\n12:10 in pts/1 bob 6\n12:20 utmpd pts/0 5 utmpd-9s\n13:00 crash crash+60s,heartbeat\n13:10 boot") {
			b, err := l.Encode(*r)
			if err != nil {
				t.Fatal(err)
			}
			d := l.Decode(string(b))
			all = append(all, &d)
		}
		found, _ := backward(all, nil)
		if len(found) != 2 || short(found[0]) != "bob pts/1 12:10 crash 13:00..13:01" || short(found[1]) != "ann pts/0 12:00 utmpd 12:19:51..12:20" {
			t.Errorf("%s: %v", l, found)
		}
		same(t, all)
	}
}
