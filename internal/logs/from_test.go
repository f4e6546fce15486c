// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// lines returns the lines of the records, GAP for a GapError, MISSING for a
// missing file, and the base of its name for another error.
func lines(t *testing.T, seq func(func(logs.Entry, error) bool)) []string {
	t.Helper()
	got := []string{}
	for e, err := range seq {
		var gap *logs.GapError
		switch {
		case errors.As(err, &gap):
			got = append(got, fmt.Sprintf("GAP %d-%d", gap.After.Unix()-epoch, max(-1, gap.Before.Unix()-epoch)))
		case errors.Is(err, fs.ErrNotExist):
			got = append(got, "MISSING")
		case err != nil:
			_, name, _ := strings.Cut(err.Error(), "wtmp")
			got = append(got, "ERROR wtmp"+strings.Split(name, ":")[0])
		default:
			got = append(got, strings.Clone(e.Line))
		}
	}
	return got
}

// put writes a file of logins; the number of a line is its second.
func put(t *testing.T, w world, name string, lines ...string) {
	t.Helper()
	putAs(t, w, name, "plain", lines...)
}

func putAs(t *testing.T, w world, name, how string, lines ...string) {
	t.Helper()
	recs := loginsOf(t, lines...)
	w.Write(t, name, compressed(t, how, raw(t, layout, recs...)))
	if n := len(recs); n > 0 {
		w.SetTime(t, name, time.Unix(recs[n-1].Time.Sec, 0))
	}
}

func loginsOf(t *testing.T, lines ...string) (recs []utmpx.Record) {
	t.Helper()
	for _, line := range lines {
		var n int64
		_, err := fmt.Sscanf(strings.TrimLeft(line, "abcdefghijklmnopqrstuvwxyz"), "%d", &n)
		check(t, err)
		recs = append(recs, login(line, n))
	}
	return recs
}

func add(t *testing.T, w world, name string, lines ...string) {
	t.Helper()
	w.Append(t, name, raw(t, layout, loginsOf(t, lines...)...))
}

// cut copies a file to another name and truncates it, as copytruncate does.
func cut(t *testing.T, w world, name, to string) {
	t.Helper()
	w.Write(t, to, w.Read(t, name))
	w.Change(t, name, func([]byte) []byte { return nil })
}

// TestFrom goes on from the second of two records, after things that happen to
// logs.
func TestFrom(t *testing.T) {
	compress := func(t *testing.T, w world, name, how string) {
		w.Write(t, name+"."+how, compressed(t, how, w.Read(t, name)))
		w.SetTime(t, name+"."+how, time.Unix(epoch+80, 0))
		w.Remove(t, name)
	}
	tests := []struct {
		name   string
		change func(t *testing.T, w world)
		want   []string
	}{
		{"nothing new", func(*testing.T, world) {}, []string{}},
		{"appended", func(t *testing.T, w world) { add(t, w, "wtmp", "c3", "d4") }, []string{"c3", "d4"}},
		{"rotated by number", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Rename(t, "wtmp", "wtmp.1")
			put(t, w, "wtmp.2", "older0")
			put(t, w, "wtmp", "new100")
		}, []string{"c3", "new100"}},
		{"rotated twice, by date", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "wtmp-20260601")
			w.SetTime(t, "wtmp-20260601", time.Unix(epoch+2, 0))
			put(t, w, "wtmp-20260701", "between30")
			put(t, w, "wtmp-20260501", "older0")
			put(t, w, "wtmp.gz", "elsewhere10")
			put(t, w, "wtmpx.1", "another10")
			put(t, w, "wtmp", "new60")
		}, []string{"between30", "new60"}},
		{"rotated twice within a clock tick", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "wtmp.2")
			put(t, w, "wtmp.1", "between3")
			put(t, w, "wtmp", "new3")
			for _, name := range []string{"wtmp.2", "wtmp.1", "wtmp"} {
				w.SetTime(t, name, time.Unix(epoch+3, 0))
			}
		}, []string{"between3", "new3"}},
		{"copied and truncated", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			cut(t, w, "wtmp", "wtmp.1")
			w.SetTime(t, "wtmp.1", time.Unix(epoch+90, 0))
			add(t, w, "wtmp", "new100")
		}, []string{"c3", "new100"}},
		{"copied and truncated, and grown past the position", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3", "d4", "e5")
			cut(t, w, "wtmp", "wtmp.1")
			w.SetTime(t, "wtmp.1", time.Unix(epoch+90, 0))
			add(t, w, "wtmp", "f100", "g101", "h102", "i103")
		}, []string{"c3", "d4", "e5", "f100", "g101", "h102", "i103"}},
		{"copied, not truncated yet", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Write(t, "wtmp.1", w.Read(t, "wtmp"))
			add(t, w, "wtmp", "d4")
		}, []string{"c3", "d4"}},
		{"rotated before, copied, not truncated yet", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Rename(t, "wtmp", "wtmp.2")
			w.SetTime(t, "wtmp.2", time.Unix(epoch+3, 0))
			put(t, w, "wtmp", "d4", "e5")
			w.Write(t, "wtmp.1", w.Read(t, "wtmp"))
		}, []string{"c3", "d4", "e5"}},
		{"compressed with gzip", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Rename(t, "wtmp", "wtmp.1")
			compress(t, w, "wtmp.1", "gz")
			put(t, w, "wtmp", "new100")
		}, []string{"c3", "new100"}},
		{"copied, compressed with zstd, and one plain after it", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			cut(t, w, "wtmp", "wtmp.2")
			w.SetTime(t, "wtmp.2", time.Unix(epoch+90, 0))
			compress(t, w, "wtmp.2", "zst")
			put(t, w, "wtmp.1", "d95", "e96", "f97")
			add(t, w, "wtmp", "g100", "h101", "i102")
		}, []string{"c3", "d95", "e96", "f97", "g100", "h101", "i102"}},
		{"the beginning cut off", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Change(t, "wtmp", func(b []byte) []byte { return b[layout.Size():] })
		}, []string{"c3"}},
		{"the beginning cut off and rotated", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Change(t, "wtmp", func(b []byte) []byte { return b[layout.Size():] })
			w.Rename(t, "wtmp", "wtmp.1")
			compress(t, w, "wtmp.1", "xz")
			put(t, w, "wtmp", "new100")
		}, []string{"c3", "new100"}},
		{"gone", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "elsewhere")
			put(t, w, "wtmp", "new100")
		}, []string{"GAP 2-100", "new100"}},
		{"gone, with a file rotated since", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "elsewhere")
			put(t, w, "wtmp.2", "older0")
			put(t, w, "wtmp.1", "between30")
			put(t, w, "wtmp", "new100")
		}, []string{"GAP 2-30", "between30", "new100"}},
		{"gone, and the new one empty", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "elsewhere")
			put(t, w, "wtmp")
		}, []string{"GAP 2--1"}},
		{"gone, and nothing later is left", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "elsewhere")
			put(t, w, "wtmp", "new1")
		}, []string{"GAP 2--1"}},
		{"gone, and only rotated files are left", func(t *testing.T, w world) {
			w.Remove(t, "wtmp")
			put(t, w, "wtmp.2.gz", "older0")
			put(t, w, "wtmp.1", "old1")
		}, []string{"GAP 2--1", "MISSING"}},
		{"an older generation came back", func(t *testing.T, w world) {
			put(t, w, "wtmp", "older0", "old1")
		}, []string{"GAP 2--1"}},
		{"an older generation came back, and went on", func(t *testing.T, w world) {
			put(t, w, "wtmp.1", "oldest0")
			put(t, w, "wtmp", "older0", "old1", "new9", "new8")
		}, []string{"GAP 2-9", "new9", "new8"}},
		{"an older generation came back, compressed", func(t *testing.T, w world) {
			w.Remove(t, "wtmp")
			putAs(t, w, "wtmp.1.gz", "gz", "older0", "old1", "new9", "new8")
			put(t, w, "wtmp", "new7")
		}, []string{"GAP 2-9", "new9", "new8", "new7"}},
		{"the clock was set back", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c0", "d1")
		}, []string{"c0", "d1"}},
		{"rotated, and the clock was set back", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "wtmp.1")
			put(t, w, "wtmp", "c0", "d1")
			w.SetTime(t, "wtmp", time.Unix(epoch+3, 0))
		}, []string{"c0", "d1"}},
		{"truncated", func(t *testing.T, w world) {
			w.Change(t, "wtmp", func([]byte) []byte { return nil })
			add(t, w, "wtmp", "new9")
		}, []string{"GAP 2-9", "new9"}},
		{"an older copy came back, and went on", func(t *testing.T, w world) {
			put(t, w, "wtmp", "a1", "new9", "new8")
		}, []string{"GAP 2-9", "new9", "new8"}},
		{"missing for now", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Rename(t, "wtmp", "wtmp.1")
		}, []string{"c3", "MISSING"}},
		{"missing for good", func(t *testing.T, w world) { w.Remove(t, "wtmp") }, []string{"GAP 2--1", "MISSING"}},
		{"in a file that cannot be read", func(t *testing.T, w world) {
			w.Remove(t, "wtmp")
			w.Write(t, "wtmp.1.Z", []byte("\x1f\x9d\x90abcdef"))
			put(t, w, "wtmp", "new100")
		}, []string{"ERROR wtmp.1.Z", "GAP 2-100", "new100"}},
		{"a file after it that cannot be read", func(t *testing.T, w world) {
			add(t, w, "wtmp", "c3")
			w.Rename(t, "wtmp", "wtmp.2")
			w.SetTime(t, "wtmp.2", time.Unix(epoch+3, 0))
			w.Write(t, "wtmp.1.Z", []byte("\x1f\x9d\x90abcdef"))
			put(t, w, "wtmp", "new100")
		}, []string{"c3", "ERROR wtmp.1.Z", "new100"}},
		{"a file after it that is damaged", func(t *testing.T, w world) {
			w.Rename(t, "wtmp", "wtmp.2")
			w.SetTime(t, "wtmp.2", time.Unix(epoch+3, 0))
			putAs(t, w, "wtmp.1.gz", "gz", "c30", "d31")
			w.Change(t, "wtmp.1.gz", func(b []byte) []byte { return b[:len(b)-4] })
			put(t, w, "wtmp", "new100")
		}, []string{"c30", "d31", "ERROR wtmp.1.gz", "new100"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				put(t, w, "wtmp", "a1", "b2")
				l := openLog(w)
				end, err := l.End(t.Context())
				check(t, err)
				pos, err := logs.ParsePosition(end.String())
				check(t, err)
				tt.change(t, w)
				if diff := cmp.Diff(tt.want, lines(t, l.From(t.Context(), pos))); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				for range l.From(t.Context(), pos) {
					break // what a loop leaves open is counted at the end
				}
			})
		})
	}
}

// TestFromEveryRecord goes on from each record of a log of many files.
func TestFromEveryRecord(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		var all []string
		files := map[string][]string{}
		n := 0
		for _, name := range []string{"wtmp.3.gz", "wtmp.2.zst", "wtmp.1", "wtmp"} {
			for range 5 {
				n++
				files[name] = append(files[name], fmt.Sprint("l", n))
			}
			all = append(all, files[name]...)
			how := strings.TrimLeft(name[4:], ".123")
			if how == "" {
				how = "plain"
			}
			putAs(t, w, name, how, files[name]...)
		}
		l := openLog(w)
		if diff := cmp.Diff(all, lines(t, l.From(t.Context(), logs.Position{}))); diff != "" {
			t.Fatalf("from the beginning (-want +got)\n%s", diff)
		}
		i := 0
		for e, err := range l.From(t.Context(), logs.Position{}) {
			check(t, err)
			i++
			if diff := cmp.Diff(append([]string{}, all[i:]...), lines(t, l.From(t.Context(), e.Position()))); diff != "" {
				t.Errorf("from record %d (-want +got)\n%s", i, diff)
			}
			if !e.Position().Time().Equal(time.Unix(epoch+int64(i), int64(i)*1000)) {
				t.Errorf("the time of record %d is %v", i, e.Position().Time())
			}
		}
		end, err := l.End(t.Context())
		check(t, err)
		if got := lines(t, l.From(t.Context(), end)); len(got) > 0 {
			t.Errorf("from the end: %q", got)
		}
	})
}

// TestEndOfEmptyLog: the end is in the file rotated last, and what comes then is
// read from there.
func TestEndOfEmptyLog(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		put(t, w, "wtmp")
		l := openLog(w)
		end, err := l.End(t.Context())
		check(t, err)
		if !end.IsZero() {
			t.Errorf("end of nothing: %v", end)
		}
		put(t, w, "wtmp.1", "a1", "b2")
		end, err = l.End(t.Context())
		check(t, err)
		add(t, w, "wtmp", "c3")
		if diff := cmp.Diff([]string{"c3"}, lines(t, l.From(t.Context(), end))); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestParsePosition(t *testing.T) {
	w := simWorld{simfile.New()}
	put(t, w, "wtmp", "a1", "b2")
	end, err := openLog(w).End(t.Context())
	check(t, err)
	for _, p := range []logs.Position{{}, end} {
		text, err := p.MarshalText()
		check(t, err)
		var got logs.Position
		check(t, got.UnmarshalText(text))
		if got != p {
			t.Errorf("%s read back as %v", text, got)
		}
	}
	good := end.String()
	for _, bad := range []string{
		"", "1", "x", good + ":", good + " ", "2" + good[1:], strings.Replace(good, "1:", "1:0", 1),
		strings.ToUpper(good), strings.Replace(good, ":768:", ":+768:", 1), strings.Replace(good, ":768:", ":9999999999999999999:", 1),
	} {
		if p, err := logs.ParsePosition(bad); err == nil {
			t.Errorf("%q is %v", bad, p)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("0")
	f.Add("1:00112233445566778899aabbccddeeff:768:ffeeddccbbaa99887766554433221100:1780000000:5")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := logs.ParsePosition(s); err == nil && p.String() != s {
			t.Errorf("%q is read as %q", s, p.String())
		}
	})
}

func TestSince(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		putAs(t, w, "wtmp.4.gz", "gz", "old10")
		putAs(t, w, "wtmp.3.gz", "gz", "old20", "x100")
		put(t, w, "wtmp.2", "old30", "y101")
		w.Write(t, "wtmp.1.Z", []byte("\x1f\x9d\x90abcdef"))
		w.SetTime(t, "wtmp.1.Z", time.Unix(epoch+105, 0))
		put(t, w, "wtmp", "late110", "set50", "later120")
		for range 1200 {
			add(t, w, "wtmp", "filler130")
		}
		l := openLog(w)
		got := lines(t, l.Since(t.Context(), time.Unix(epoch+100, 0)))
		want := []string{"x100", "y101", "ERROR wtmp.1.Z", "late110", "later120", "filler130"}
		if diff := cmp.Diff(want, slices.Compact(slices.Clone(got))); diff != "" || len(got) != 1205 {
			t.Errorf("%d records (-want +got)\n%s", len(got), diff)
		}
		if got := lines(t, l.Since(t.Context(), time.Unix(epoch+131, 0))); len(got) != 0 {
			t.Errorf("of the future: %q", got)
		}
		for range l.Since(t.Context(), time.Unix(epoch, 0)) {
			break
		}
	})
}

// TestSinceUnlisted: that files cannot be found is an error, and the present one
// is read.
func TestSinceUnlisted(t *testing.T) {
	w := simWorld{simfile.New()}
	put(t, w, "wtmp", "a1")
	w.s.Inject(func(op simfile.Op) *simfile.Fault {
		if op.Call == simfile.List {
			return &simfile.Fault{Err: errors.New("no")}
		}
		return nil
	})
	got := lines(t, openLog(w).Since(t.Context(), time.Unix(epoch, 0)))
	if diff := cmp.Diff([]string{"ERROR wtmp", "a1"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestErrorIsNoGap: a file that cannot be read for a moment does not lose the
// position in it.
func TestErrorIsNoGap(t *testing.T) {
	for nth := 0; ; nth++ {
		w := simWorld{simfile.New()}
		put(t, w, "wtmp.1", "older0")
		put(t, w, "wtmp", "a1", "b2")
		l := openLog(w)
		end, err := l.End(t.Context())
		check(t, err)
		add(t, w, "wtmp", "c3")
		left := nth
		w.s.Inject(func(op simfile.Op) *simfile.Fault {
			if left--; left == -1 {
				return &simfile.Fault{Err: errors.New("input/output error")}
			}
			return nil
		})
		got := lines(t, l.From(t.Context(), end))
		if left >= 0 {
			break
		}
		for i, line := range got {
			if strings.HasPrefix(line, "GAP") || line != "c3" && !strings.HasPrefix(line, "ERROR") || line == "c3" && i < len(got)-1 {
				t.Errorf("error at call %d: %q", nth, got)
			}
		}
		if len(got) == 0 {
			t.Errorf("error at call %d: nothing", nth)
		}
	}
}

// TestRotatedMeanwhile has the log rotated before any call of a reading, each step
// of that before any of them: each record comes once, in its order.
func TestRotatedMeanwhile(t *testing.T) {
	shift := func(w simWorld) {
		w.s.Rename(w.Path("wtmp.2"), w.Path("wtmp.3"))
		w.s.Rename(w.Path("wtmp.1"), w.Path("wtmp.2"))
	}
	more := func(t *testing.T, w simWorld) {
		add(t, w, "wtmp", "d6", "e7", "f8")
	}
	tests := []struct {
		name  string
		steps [3]func(t *testing.T, w simWorld)
	}{
		{"renamed", [3]func(t *testing.T, w simWorld){
			func(_ *testing.T, w simWorld) { shift(w) },
			func(_ *testing.T, w simWorld) { w.s.Rename(w.Path("wtmp"), w.Path("wtmp.1")) },
			func(t *testing.T, w simWorld) { w.s.WriteFile(w.Path("wtmp"), nil); more(t, w) },
		}},
		{"copied and truncated", [3]func(t *testing.T, w simWorld){
			func(_ *testing.T, w simWorld) { shift(w) },
			func(_ *testing.T, w simWorld) { w.s.WriteFile(w.Path("wtmp.1"), w.s.ReadFile(w.Path("wtmp"))) },
			func(t *testing.T, w simWorld) {
				w.s.Change(w.Path("wtmp"), func([]byte) []byte { return nil })
				more(t, w)
			},
		}},
		{"compressed", [3]func(t *testing.T, w simWorld){
			func(t *testing.T, w simWorld) {
				w.s.WriteFile(w.Path("wtmp.1.gz"), compressed(t, "gz", w.s.ReadFile(w.Path("wtmp.1"))))
				w.s.SetTime(w.Path("wtmp.1.gz"), time.Unix(epoch+3, 0))
			},
			func(_ *testing.T, w simWorld) { w.s.Remove(w.Path("wtmp.1")) },
			func(t *testing.T, w simWorld) { more(t, w) },
		}},
	}
	for _, tt := range tests {
		for _, from := range []string{"read2", "b4"} {
			t.Run(tt.name+" from "+from, func(t *testing.T) { rotatedMeanwhile(t, tt.steps, from) })
		}
	}
}

func rotatedMeanwhile(t *testing.T, steps [3]func(t *testing.T, w simWorld), from string) {
	all := []string{"oldest1", "read2", "a3", "b4", "c5", "d6", "e7", "f8"}
	want := all[slices.Index(all, from)+1:]
	read := func(at [3]int) (calls int) {
		w := simWorld{simfile.New()}
		put(t, w, "wtmp.2", "oldest1")
		put(t, w, "wtmp.1", "read2", "a3")
		put(t, w, "wtmp", "b4", "c5")
		l := openLog(w)
		var pos logs.Position
		for e, err := range l.From(t.Context(), logs.Position{}) {
			if check(t, err); e.Line == from {
				pos = e.Position()
			}
		}
		done := 0
		w.s.Inject(func(simfile.Op) *simfile.Fault {
			for ; done < len(at) && at[done] <= calls; done++ {
				steps[done](t, w)
			}
			calls++
			return nil
		})
		got := lines(t, l.From(t.Context(), pos))
		w.s.Inject(nil)
		got = slices.DeleteFunc(got, func(s string) bool { return s == "MISSING" })
		// It ends where the log ended when its last file was opened.
		if n := len(got); n < len(want)-3 || n > len(want) || !slices.Equal(got, want[:n]) {
			t.Fatalf("rotated before the calls %v: %q, want %q", at, got, want)
		}
		return calls
	}
	const soon = 2 // calls from the second step to the third
	n, step := 0, 1
	if testing.Short() {
		step = 3
	}
	for first := 0; first < read([3]int{first, 1e6, 1e6}); first += step {
		for second := first; second < read([3]int{first, second, 1e6}); second++ {
			for third := second; third < min(second+soon, read([3]int{first, second, third})); third++ {
				n++
			}
		}
	}
	t.Logf("rotated in %d ways", n)
}

// TestSinceCoarseTimes: the time of a file's last change is that of a coarse clock, and
// may be earlier than the time in the record that was written then.
func TestSinceCoarseTimes(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		rec := login("a1", 1)
		rec.Time.Usec = 900_000
		w.Write(t, "wtmp.1", raw(t, layout, rec))
		w.SetTime(t, "wtmp.1", time.Unix(epoch+1, 0))
		put(t, w, "wtmp", "b2")
		got := lines(t, openLog(w).Since(t.Context(), rec.Time.Time()))
		if d := cmp.Diff([]string{"a1", "b2"}, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}
