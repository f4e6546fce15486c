// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

func openLog(w world) *recfile.Log {
	return recfile.NewLog(w.Path("wtmp"), recfile.Options{System: w.System(), Layout: layout})
}

func TestAppend(t *testing.T) {
	tests := []struct {
		name string
		was  []utmpx.Record
		tail string
		add  []utmpx.Record
	}{
		{"to an empty log", nil, "", []utmpx.Record{boot(1)}},
		{"many", []utmpx.Record{boot(1)}, "", []utmpx.Record{sess("pts/0", 2), sess("pts/1", 3), dead("pts/0", 4)}},
		{"over a torn tail", []utmpx.Record{boot(1)}, "torn", []utmpx.Record{sess("pts/0", 2)}},
		{"nothing", []utmpx.Record{boot(1)}, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "wtmp", append(raw(t, layout, tt.was...), tt.tail...))
				check(t, openLog(w).Append(t.Context(), tt.add...))
				diff(t, "log", append(strs(tt.was...), strs(tt.add...)...), texts(t, w, "wtmp"))
			})
		})
	}
}

func TestMissingLog(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		l := openLog(w)
		errs := map[string]error{
			"Append":  l.Append(t.Context(), boot(1)),
			"Locked":  l.Locked(t.Context(), func(*recfile.LockedLog) error { return nil }),
			"Touch":   l.Touch(time.Unix(epoch, 0)),
			"ReadOne": l.ReadOne(),
			"Sync":    l.Sync(),
		}
		_, errs["Mark"] = l.Mark()
		for _, err := range l.Forward() {
			errs["Forward"] = err
		}
		for _, err := range l.From(recfile.Mark{}) {
			errs["From"] = err
		}
		for call, err := range errs {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", call, err)
			}
		}
		if w, ok := w.(simWorld); ok && len(w.s.Names()) != 0 {
			t.Errorf("a log was made: %q", w.s.Names())
		}
	})
}

// TestShortAppend: what does not fit is taken back, unless another writer, who
// takes no lock, is behind it already.
func TestShortAppend(t *testing.T) {
	full := errors.New("no space left on device")
	for _, n := range []int{0, 1, 384, 500, 767} {
		for _, other := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, other writer %v", n, other), func(t *testing.T) {
				w := simWorld{simfile.New()}
				before := raw(t, layout, boot(1))
				w.Write(t, "wtmp", append(before, "torn"...))
				appended := false
				w.s.Inject(func(op simfile.Op) *simfile.Fault {
					if op.Call == simfile.Append {
						appended = true
						return &simfile.Fault{N: n, Err: full}
					}
					if op.Call == simfile.Stat && appended && other {
						w.Change(t, "wtmp", func(b []byte) []byte { return append(b, "other"...) })
					}
					return nil
				})
				err := openLog(w).Append(t.Context(), sess("pts/0", 2), sess("pts/1", 3))
				if !errors.Is(err, full) {
					t.Errorf("Append: %v", err)
				}
				want := len(before)
				if other && n > 0 {
					want += n + len("other")
				}
				if got := len(w.Read(t, "wtmp")); got != want {
					t.Errorf("%d bytes are left, want %d", got, want)
				}
				if n := w.s.OpenHandles(); n != 0 {
					t.Errorf("%d handles are left open", n)
				}
			})
		}
	}
}

// TestRecordInTheMaking: what looks like a torn tail is a writer's without a lock
// that is at work, or has come back to it.
func TestRecordInTheMaking(t *testing.T) {
	tests := []struct {
		name  string
		parts []int // bytes that are there one pause after the other
	}{
		{"two pages", []int{100, 384}},
		{"slow", []int{100, 100, 100, 200, 200, 200, 384}},
		{"two records", []int{384 + 128, 768}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := simWorld{simfile.New()}
				rest := raw(t, layout, sess("void", 1), sess("void", 2))[:tt.parts[len(tt.parts)-1]]
				w.Write(t, "wtmp", append(raw(t, layout, boot(0)), rest[:tt.parts[0]]...))
				go func() {
					for i := 1; i < len(tt.parts); i++ {
						time.Sleep(21 * time.Millisecond)
						w.Change(t, "wtmp", func(b []byte) []byte { return append(b, rest[tt.parts[i-1]:tt.parts[i]]...) })
					}
				}()
				check(t, openLog(w).Append(t.Context(), dead("pts/0", 3)))
				want := string(raw(t, layout, boot(0))) + string(rest) + string(raw(t, layout, dead("pts/0", 3)))
				if string(w.Read(t, "wtmp")) != want {
					t.Errorf("the log is %q", texts(t, w, "wtmp"))
				}
			})
		})
	}
}

// TestAppendBesideUnlockedWriter: O_APPEND loses nobody's record.
func TestAppendBesideUnlockedWriter(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		const n = 200
		w.Write(t, "wtmp", nil)
		l := openLog(w)
		var wg sync.WaitGroup
		wg.Go(func() {
			h, err := w.System().Open(w.Path("wtmp"), sysfile.AppendOnly)
			check(t, err)
			defer h.Close()
			for i := range n {
				if _, err := h.Append(raw(t, layout, sess("void", int64(i)))); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for i := range n {
				if err := l.Append(t.Context(), dead("ours", int64(i))); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		count := map[string]int{}
		for e, err := range l.Forward() {
			check(t, err)
			count[e.Line]++
		}
		diff(t, "records", map[string]int{"void": n, "ours": n}, count)
	})
}

func TestForwardBackwardMark(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 513, 1500} {
		t.Run(fmt.Sprint(n, " records"), func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				var recs []utmpx.Record
				for i := range n {
					recs = append(recs, sess("pts/0", int64(i)))
				}
				w.Write(t, "wtmp", append(raw(t, layout, recs...), "torn"...))
				l := openLog(w)
				var forward, backward []string
				off := int64(0)
				for e, err := range l.Forward() {
					check(t, err)
					if e.Offset != off || e.Mark().Offset != off+384 {
						t.Fatalf("offset %d, mark %d, want %d", e.Offset, e.Mark().Offset, off)
					}
					off += 384
					forward = append(forward, e.String())
				}
				for e, err := range l.Backward() {
					check(t, err)
					off -= 384
					if e.Offset != off {
						t.Fatalf("offset %d, want %d", e.Offset, off)
					}
					backward = append([]string{e.String()}, backward...)
				}
				diff(t, "forward", strs(recs...), forward)
				diff(t, "backward", strs(recs...), backward)
				m, err := l.Mark()
				check(t, err)
				if m.Offset != int64(n)*384 {
					t.Errorf("mark at %d, want %d", m.Offset, n*384)
				}
				for range l.Forward() {
					break // a loop that is left closes the file: counted at the end
				}
			})
		})
	}
}

func TestTouch(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp", raw(t, layout, boot(1)))
		modified := time.Unix(epoch, 0)
		w.SetTime(t, "wtmp", modified)
		l := openLog(w)
		at := time.Unix(epoch+500, 123_456_000)
		check(t, l.Touch(at))
		info, err := w.System().Lookup(w.Path("wtmp"))
		check(t, err)
		if !info.Accessed.Equal(at) || !info.Modified.Equal(modified) {
			t.Errorf("accessed %v, modified %v, want %v and %v", info.Accessed, info.Modified, at, modified)
		}
		check(t, l.ReadOne())
		check(t, l.Sync())
		if w, ok := w.(simWorld); ok {
			if c := w.s.Calls(); c[simfile.Sync] != 2 || c[simfile.TryLock] != 0 {
				t.Errorf("calls %v: want Touch and Sync to sync, and no lock", c)
			}
		}
	})
}

// TestMillionBackward counts the reads of a long log from its end to its
// beginning, and of its lines.
func TestMillionBackward(t *testing.T) {
	const n = 1_000_000
	s := &longLog{one: raw(t, layout, sess("pts/0", 1)), n: n}
	l := recfile.NewLog("/wtmp", recfile.Options{System: s, Layout: layout})
	count := 0
	for e, err := range l.Backward() {
		check(t, err)
		if e.Type == utmpx.UserProcess {
			count++
		}
	}
	if count != n || s.reads > n/500 {
		t.Errorf("%d records with %d reads", count, s.reads)
	}
}

// longLog is a system with one file that repeats a record, and counts its reads.
type longLog struct {
	sysfile.Handle
	one   []byte
	n     int64
	reads int
}

func (s *longLog) Open(string, sysfile.OpenMode) (sysfile.Handle, error) { return s, nil }
func (s *longLog) Lookup(string) (sysfile.Info, error)                   { return s.Info() }
func (s *longLog) List(string) ([]string, error)                         { return nil, nil }
func (s *longLog) Close() error                                          { return nil }

func (s *longLog) Info() (sysfile.Info, error) {
	return sysfile.Info{Size: s.n * int64(len(s.one)), Generation: snapshot.Generation{Ino: 1}}, nil
}

func (s *longLog) ReadAt(p []byte, off int64) (int, error) {
	s.reads++
	n := 0
	for size := s.n * int64(len(s.one)); n < len(p) && off+int64(n) < size; {
		n += copy(p[n:min(int64(len(p)), size-off)], s.one[(off+int64(n))%int64(len(s.one)):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func FuzzForwardIsBackward(f *testing.F) {
	f.Add([]byte("short"), uint16(3))
	for _, l := range utmpx.Layouts() {
		f.Add(raw(f, l, boot(1), sess("pts/0", 2), dead("pts/0", 3)), uint16(1))
		f.Add(raw(f, l, sess("pts/0", 2)), uint16(600))
	}
	f.Fuzz(func(t *testing.T, data []byte, times uint16) {
		// Many blocks of what the fuzzer gives.
		var all []byte
		for range int(times)%1024 + 1 {
			if all = append(all, data...); len(all) > 1<<20 {
				break
			}
		}
		s := simfile.New()
		s.WriteFile("/wtmp", all)
		l := recfile.NewLog("/wtmp", recfile.Options{System: s, Layout: layout})
		var forward, backward []string
		var ferr, berr error
		for e, err := range l.Forward() {
			if ferr = err; err == nil {
				forward = append(forward, e.Raw())
			}
		}
		for e, err := range l.Backward() {
			if berr = err; err == nil {
				backward = append(backward, e.Raw())
			}
		}
		if (ferr == nil) != (berr == nil) || len(forward) != len(backward) {
			t.Fatalf("forward %d records, %v; backward %d, %v", len(forward), ferr, len(backward), berr)
		}
		off := 0
		for i, r := range forward {
			if r != backward[len(backward)-1-i] || r != string(all[off:off+len(r)]) {
				t.Fatalf("record %d differs", i)
			}
			off += len(r)
		}
		if ferr == nil && len(all)-off >= 400 {
			t.Errorf("%d bytes are left out", len(all)-off)
		}
		if n := s.OpenHandles(); n != 0 {
			t.Errorf("%d handles are left open", n)
		}
	})
}
