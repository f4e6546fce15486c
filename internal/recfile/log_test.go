// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
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
		add  []utmpx.Record
	}{
		{"to an empty log", nil, []utmpx.Record{boot(1)}},
		{"many", []utmpx.Record{boot(1)}, []utmpx.Record{sess("pts/0", 2), sess("pts/1", 3), dead("pts/0", 4)}},
		{"nothing", []utmpx.Record{boot(1)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "wtmp", raw(t, layout, tt.was...))
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
		_, errs["Layout"] = l.Layout()
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
				want := len(before) + len("torn")
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
		for log := string(w.Read(t, "wtmp")); log != ""; log = log[layout.Size():] {
			count[layout.Decode(log[:layout.Size()]).Line]++
		}
		diff(t, "records", map[string]int{"void": n, "ours": n}, count)
	})
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
