// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// statRest is fields 8 to 51; field 52 is the last one since Linux 3.5.
const statRest = " -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5551234 1000 200 18446744073709551615 94000 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 "

func TestParseStat(t *testing.T) {
	live := stat{pid: 42, state: 'S', parent: 1, group: 42, session: 42, tty: 0x8803, front: -1, flags: 4194560, threads: 1, start: 5551234, startCode: 94000, exitCode: 9}
	for _, test := range []struct {
		name, line string
		want       stat
		bad        bool
	}{
		{"shell", "42 (bash) S 1 42 42 34819" + statRest + "9\n", live, false},
		{"parentheses and spaces in the name", "42 (a) R 1 (b ) S 1 42 42 34819" + statRest + "9", live, false},
		{"newline in the name", "42 (a\nb) S 1 42 42 34819" + statRest + "9", live, false},
		{"empty name", "42 () S 1 42 42 34819" + statRest + "9", live, false},
		{"no exit code, as before Linux 3.5", "42 (a) S 1 42 42 34819 -1 0 1 2 3 4 5 6 7 8 20 0 3 0 77",
			stat{pid: 42, state: 'S', parent: 1, group: 42, session: 42, tty: 0x8803, front: -1, threads: 3, start: 77}, false},
		{"negative terminal", "42 (a) S 1 42 42 -2147483648 -1 0 1 2 3 4 5 6 7 8 20 0 3 0 77",
			stat{pid: 42, state: 'S', parent: 1, group: 42, session: 42, tty: 0x80000000, front: -1, threads: 3, start: 77}, false},
		{"empty", "", stat{}, true},
		{"no name", "42 S 1 42 42", stat{}, true},
		{"parentheses reversed", "42 )a( S 1", stat{}, true},
		{"no pid", "(a) S 1 42 42 34819" + statRest + "9", stat{}, true},
		{"cut off", "42 (a) S 1 42 42 34819", stat{}, true},
		{"letters", "42 (a) S 1 42 42 tty" + statRest + "9", stat{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseStat([]byte(test.line))
			if (err != nil) != test.bad {
				t.Fatalf("error %v, want one: %v", err, test.bad)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(stat{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatEnded(t *testing.T) {
	for _, test := range []struct {
		name string
		stat stat
		want bool
	}{
		{"sleeps", stat{state: 'S', threads: 1}, false},
		{"stopped", stat{state: 'T', threads: 1}, false},
		{"zombie", stat{state: 'Z', threads: 1}, true},
		{"zombie without threads", stat{state: 'Z'}, true},
		{"dead", stat{state: 'X'}, true},
		{"first thread gone", stat{state: 'Z', threads: 2}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.stat.ended(); got != test.want {
				t.Errorf("ended() = %v, want %v", got, test.want)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (bash) S 1 42 42 34819" + statRest + "9\n"))
	f.Add([]byte("42 (a) )) R"))
	if line, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := parseStat(line)
		if err != nil && s != (stat{}) {
			t.Errorf("parseStat(%q) = %+v with error %v, want the zero value", line, s, err)
		}
	})
}

func BenchmarkReadStat(b *testing.B) {
	pid := int32(os.Getpid())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readStat(pid); err != nil {
			b.Fatal(err)
		}
	}
}
