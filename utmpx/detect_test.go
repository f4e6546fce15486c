// SPDX-License-Identifier: BSD-2-Clause

package utmpx_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// login is a session of a usual kind.
func login(i int) utmpx.Record {
	return utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(1000 + 37*i), Line: "pts/" + string(rune('0'+i%10)), ID: "ts/" + string(rune('0'+i%10)),
		User: "alice", Host: "host.example.org", Time: utmpx.Time{Sec: 1_780_000_000 + int64(i)*100, Usec: int64(i) * 1000},
	}
}

func logins(n int) []utmpx.Record {
	var recs []utmpx.Record
	for i := range n {
		recs = append(recs, login(i))
	}
	return recs
}

// twins read the same bytes alike.
func twin(name string) string { return strings.Replace(name, "musl", "glibc", 1) }

func TestDetectOwn(t *testing.T) {
	anonymous := day[8]
	anonymous.Time, anonymous.PID = utmpx.Time{}, 0
	tests := []struct {
		name string
		recs []utmpx.Record
		tail string
	}{
		{"a day", day, ""},
		{"one boot", day[:1], ""},
		{"one login", logins(1), ""},
		{"one logout", day[8:9], ""},
		{"many", logins(1000), ""},
		{"a torn tail", logins(3), "torn"},
		{"blank slots first", append(make([]utmpx.Record, 100), logins(3)...), ""},
		{"one odd among many", append(logins(20), utmpx.Record{Type: 999, PID: -5, Line: "\x01\x02"}), ""},
		{"a session zeroed at its end", append(logins(2), anonymous), ""},
	}
	for _, tt := range tests {
		for _, tab := range tables {
			t.Run(tt.name+" "+tab.name, func(t *testing.T) {
				l, c := utmpx.Detect(append(tab.file(tt.recs...), tt.tail...))
				if c != utmpx.Sure || l == nil || twin(l.Name()) != twin(tab.name) {
					t.Errorf("%v, %v, want to be sure of %s", l, c, tab.name)
				}
			})
		}
	}
}

// TestDetectForeign: files of other systems are no certainty, and rarely a guess.
func TestDetectForeign(t *testing.T) {
	noHost := logins(25)
	for i := range noHost {
		noHost[i].Host = ""
	}
	signature := append([]utmpx.Record{{Type: 10, User: "utmpx-2.00", Time: utmpx.Time{Sec: 1_780_000_000}}}, logins(20)...)
	tests := []struct {
		name string
		recs []utmpx.Record
	}{
		{"one", logins(1)},
		{"25, which are 7600 bytes of OpenBSD", logins(25)},
		{"25 without a host", noHost},
		{"a signature first", signature},
		{"a day", day},
		{"a thousand", logins(1000)},
	}
	for _, tt := range tests {
		for _, tab := range foreign {
			t.Run(tt.name+" "+tab.name, func(t *testing.T) {
				if l, c := utmpx.Detect(tab.file(tt.recs...)); c == utmpx.Sure {
					t.Errorf("taken for %v", l)
				}
			})
		}
	}
}

// TestDetectBySize checks that the fields, not the size, decide the layout of 7600 bytes.
func TestDetectBySize(t *testing.T) {
	for _, tab := range tables {
		if tab.size != 400 {
			continue
		}
		data := tab.file(logins(19)...)
		if len(data) != 7600 {
			t.Fatalf("%d bytes", len(data))
		}
		if l, c := utmpx.Detect(data); c != utmpx.Sure || twin(l.Name()) != twin(tab.name) {
			t.Errorf("%s: %v, %v", tab.name, l, c)
		}
	}
}

func TestDetectNothing(t *testing.T) {
	random := make([]byte, 100_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	tests := []struct {
		name string
		data []byte
	}{
		{"empty", nil},
		{"zeros", make([]byte, 7600)},
		{"shorter than a record", tables[0].record(login(1))[:371]},
		{"text", []byte(strings.Repeat("Nov 23 02:01:47 host sshd[1]: session opened\n", 1000))},
		{"random", random},
		{"pids that cannot be", tables[0].file(slices.Repeat([]utmpx.Record{{Type: utmpx.UserProcess, PID: -1, Line: "pts/0", Time: utmpx.Time{Sec: 1_780_000_000}}}, 5)...)},
		{"ones", []byte(strings.Repeat("\xff", 7600))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if l, c := utmpx.Detect(tt.data); c != utmpx.None || l != nil {
				t.Errorf("%v, %v, want none", l, c)
			}
		})
	}
}

// TestDetectDoubts: half of the records are something else.
func TestDetectDoubts(t *testing.T) {
	odd := utmpx.Record{Type: 999, PID: -5}
	for _, tab := range tables {
		recs := slices.Concat(logins(6), slices.Repeat([]utmpx.Record{odd}, 4))
		l, c := utmpx.Detect(tab.file(recs...))
		if l == nil || c != utmpx.Unsure {
			t.Errorf("%s: %v, %v", tab.name, l, c)
			continue
		}
		if fits, odd := l.Fit(tab.file(recs...)); fits != 6 || odd != 4 {
			t.Errorf("%s: fits %d, odd %d", tab.name, fits, odd)
		}
	}
	two := append(tables[0].record(login(1))[:372], tables[6].record(login(2))...)
	if l, c := utmpx.Detect(two); c != utmpx.Unsure {
		t.Errorf("a record each of two layouts: %v, %v", l, c)
	}
	if got := []string{utmpx.None.String(), utmpx.Unsure.String(), utmpx.Sure.String()}; !slices.Equal(got, []string{"none", "unsure", "sure"}) {
		t.Error(got)
	}
}

// FuzzDetect: whatever the bytes are, a guess that is sure reads text and times
// that can be in nearly all records, and there is a layout if and only if there
// is confidence.
func FuzzDetect(f *testing.F) {
	for _, tab := range slices.Concat(tables, foreign) {
		f.Add(tab.file(logins(3)...))
		f.Add(tab.file(day...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, c := utmpx.Detect(data)
		if (l == nil) != (c == utmpx.None) {
			t.Fatalf("%v, %v", l, c)
		}
		if l == nil {
			return
		}
		if fits, odd := l.Fit(data); fits <= odd {
			t.Fatalf("%v, %v, but %d fit and %d are odd", l, c, fits, odd)
		}
		if again, _ := utmpx.Detect(append(slices.Clip(data), data...)); len(data)%l.Size() == 0 && again != l {
			t.Fatalf("%v, and twice the same %v", l, again)
		}
	})
}
