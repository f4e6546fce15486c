// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/simfile"
)

// following follows a log from a position. next returns what comes next, and
// stop ends it.
func following(t *testing.T, l *logs.Log, from logs.Position) (next func() string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string)
	go func() {
		defer close(got)
		for e, err := range l.Follow(ctx, from) {
			s := lines(t, func(yield func(logs.Entry, error) bool) { yield(e, err) })
			select {
			case got <- s[0]:
			case <-ctx.Done():
			}
		}
	}()
	return func() string {
			select {
			case s := <-got:
				return s
			case <-time.After(time.Minute):
				return "NOTHING"
			}
		}, func() {
			cancel()
			for range got {
				continue
			}
		}
}

// TestFollow reads what comes, across everything that happens to logs, on the
// kernel's files by inotify and in a simulation by looking.
func TestFollow(t *testing.T) {
	script := func(t *testing.T, w world) {
		put(t, w, "wtmp", "a1", "b2")
		l := openLog(w)
		end, err := l.End(t.Context())
		check(t, err)
		add(t, w, "wtmp", "c3")
		next, stop := following(t, l, end)
		defer stop()
		n := 3
		want := func(what string, lines ...string) {
			t.Helper()
			for _, line := range lines {
				if got := next(); got != line {
					t.Fatalf("%s: %q, want %q", what, got, line)
				}
			}
		}
		want("at the start", "c3")
		grow := func() string {
			n++
			line := fmt.Sprint("l", n)
			add(t, w, "wtmp", line)
			return line
		}
		want("appended", grow())
		want("appended again", grow())
		for round := range 2 {
			last := grow()
			w.Rename(t, "wtmp", fmt.Sprintf("wtmp-2026010%d", 2*round))
			w.Write(t, "wtmp", nil)
			want("rotated", last, grow())
			last = grow()
			cut(t, w, "wtmp", fmt.Sprintf("wtmp-2026010%d", 2*round+1))
			first, second := grow(), grow()
			want("copied and truncated", last, first, second, grow())
			w.Rename(t, "wtmp", fmt.Sprintf("wtmp-2026011%d", round))
			want("gone", func() string { w.Write(t, "wtmp", nil); return grow() }())
		}
		w.Write(t, "wtmp", nil)
		add(t, w, "wtmp", "x500")
		want("lost", fmt.Sprintf("GAP %d-500", n), "x500")
		want("after it", grow())
	}
	t.Run("kernel", func(t *testing.T) {
		began := time.Now()
		script(t, kernelWorld{t.TempDir()})
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it took %v: there were no notices", took)
		}
	})
	t.Run("simulated", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { script(t, simWorld{simfile.New()}) })
	})
}

// TestFollowLateWriter: a program that opened the log before it was rotated, and had
// to wait for its lock, writes to the file after the rotation. A reader that goes on
// from such a record goes on in the present file.
func TestFollowLateWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := simWorld{simfile.New()}
		put(t, w, "wtmp", "a1")
		l := openLog(w)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		var pos logs.Position
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e, err := range l.Follow(ctx, logs.Position{}) {
				check(t, err)
				if got = append(got, e.Line); e.Line == "late3" {
					pos = e.Position()
				}
			}
		}()
		time.Sleep(2 * pollAlone)
		w.Rename(t, "wtmp", "wtmp.1")
		w.Write(t, "wtmp", nil)
		add(t, w, "wtmp", "b2")
		time.Sleep(2 * pollAlone)
		add(t, w, "wtmp.1", "late3")
		add(t, w, "wtmp", "c4")
		time.Sleep(2 * pollAlone)
		add(t, w, "wtmp", "d5")
		time.Sleep(2 * pollAlone)
		cancel()
		<-done
		if want := []string{"a1", "b2", "late3", "c4", "d5"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if diff := cmp.Diff([]string{"c4", "d5"}, lines(t, l.From(t.Context(), pos))); diff != "" {
			t.Errorf("from the late record on (-want +got)\n%s", diff)
		}
	})
}

// pollAlone is how often a follower looks without notices.
const pollAlone = time.Second

// TestFollowMissingDirectory waits for a log whose directory comes later.
func TestFollowMissingDirectory(t *testing.T) {
	w := kernelWorld{t.TempDir() + "/late"}
	next, stop := following(t, openLog(w), logs.Position{})
	defer stop()
	if got := next(); got != "MISSING" { // it cannot be listed
		t.Fatalf("got %q", got)
	}
	check(t, os.Mkdir(w.dir, 0o700))
	put(t, w, "wtmp", "a1")
	if got := next(); got != "a1" {
		t.Errorf("got %q", got)
	}
}

// TestFollowIdle counts what a follower does in an hour without changes: one look
// each second, and no reading.
func TestFollowIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := simWorld{simfile.New()}
		put(t, w, "wtmp", "a1")
		next, stop := following(t, openLog(w), logs.Position{})
		defer stop()
		if got := next(); got != "a1" {
			t.Fatalf("got %q", got)
		}
		synctest.Wait()
		w.s.Calls()
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff(map[simfile.Call]int{simfile.Lookup: 3600}, w.s.Calls()); diff != "" {
			t.Errorf("calls (-want +got)\n%s", diff)
		}
	})
}

// TestFollowError: an error that lasts is yielded once, and once more if it comes
// again.
func TestFollowError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := simWorld{simfile.New()}
		put(t, w, "wtmp", "a1")
		l := openLog(w)
		end, err := l.End(t.Context())
		check(t, err)
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e, err := range l.Follow(ctx, end) {
				got = append(got, lines(t, func(yield func(logs.Entry, error) bool) { yield(e, err) })...)
			}
		}()
		fail := func(op simfile.Op) *simfile.Fault {
			if op.Call == simfile.Open {
				return &simfile.Fault{Err: errors.New("too many open files")}
			}
			return nil
		}
		synctest.Wait()
		for i := range 2 {
			w.s.Inject(fail)
			add(t, w, "wtmp", fmt.Sprint("l", i+2))
			time.Sleep(time.Minute)
			w.s.Inject(nil)
			time.Sleep(time.Minute)
		}
		cancel()
		<-done
		if want := []string{"ERROR wtmp", "l2", "ERROR wtmp", "l3"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestFollowRotatedMeanwhile rotates, copies and compresses a log at any call of
// a follower: each record comes once, in order.
func TestFollowRotatedMeanwhile(t *testing.T) {
	for name, rotate := range map[string]func(t *testing.T, w simWorld){
		"renamed": func(t *testing.T, w simWorld) {
			w.s.Rename(w.Path("wtmp"), w.Path("wtmp.1"))
			w.s.WriteFile(w.Path("wtmp"), nil)
		},
		"copied": func(t *testing.T, w simWorld) {
			w.s.WriteFile(w.Path("wtmp.1"), w.s.ReadFile(w.Path("wtmp")))
			w.s.Change(w.Path("wtmp"), func([]byte) []byte { return nil })
		},
		"compressed": func(t *testing.T, w simWorld) {
			w.s.WriteFile(w.Path("wtmp.1.gz"), compressed(t, "gz", w.s.ReadFile(w.Path("wtmp"))))
			w.s.WriteFile(w.Path("wtmp"), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for nth := range 60 { // twenty calls of the first reading, then one each second
				calls := 0
				synctest.Test(t, func(t *testing.T) {
					w := simWorld{simfile.New()}
					put(t, w, "wtmp", "a1", "b2")
					w.s.Inject(func(simfile.Op) *simfile.Fault {
						if calls++; calls == nth+1 {
							add(t, w, "wtmp", "c3")
							rotate(t, w)
							add(t, w, "wtmp", "d4", "e5", "f6", "g7")
						}
						return nil
					})
					next, stop := following(t, openLog(w), logs.Position{})
					defer stop()
					for _, want := range []string{"a1", "b2", "c3", "d4", "e5", "f6", "g7"} {
						if got := next(); got != want {
							t.Fatalf("rotated at call %d: %q, want %q", nth, got, want)
						}
					}
				})
			}
		})
	}
}

// TestFollowBusy follows a log of the kernel's that grows and is rotated all the
// time, while another reader goes on from where it was: each finds every record
// once, in order.
func TestFollowBusy(t *testing.T) {
	const records, each = 3000, 100
	w := kernelWorld{t.TempDir()}
	put(t, w, "wtmp")
	l := openLog(w)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; i <= records; i++ {
			add(t, w, "wtmp", fmt.Sprint("l", i))
			if i%each == 0 {
				rotateBusy(t, w, i/each)
			}
		}
	}()
	var wg sync.WaitGroup
	wg.Go(func() {
		n := 0
		for e, err := range l.Follow(ctx, logs.Position{}) {
			if n++; err != nil || e.Line != fmt.Sprint("l", n) {
				t.Errorf("followed: record %d is %q, %v", n, e.Line, err)
				return
			}
			if n == records {
				return
			}
		}
		t.Errorf("followed %d records", n)
	})
	wg.Go(func() {
		n := 0
		var pos logs.Position
		for last := false; !last && ctx.Err() == nil; {
			select {
			case <-done:
				last = true
			default:
			}
			for e, err := range l.From(ctx, pos) {
				if errors.Is(err, fs.ErrNotExist) { // for a moment
					continue
				}
				if n++; err != nil || e.Line != fmt.Sprint("l", n) {
					t.Errorf("read: record %d is %q, %v", n, e.Line, err)
					return
				}
				pos = e.Position()
			}
		}
		if n != records {
			t.Errorf("read %d records", n)
		}
	})
	wg.Wait()
	<-done
}

// rotateBusy rotates the log for the nth time, each time in another way.
func rotateBusy(t *testing.T, w world, n int) {
	to := fmt.Sprintf("wtmp-%08d", n)
	switch n % 3 {
	case 0: // the present file is missing for a moment
		w.Rename(t, "wtmp", to)
		w.Write(t, "wtmp", nil)
	case 1:
		cut(t, w, "wtmp", to)
	case 2: // and the file before is compressed
		w.Write(t, to, w.Read(t, "wtmp"))
		w.Write(t, "wtmp", nil)
		was := fmt.Sprintf("wtmp-%08d", n-1)
		info, err := w.System().Lookup(w.Path(was))
		check(t, err)
		w.Write(t, "unseen", compressed(t, "gz", w.Read(t, was)))
		w.SetTime(t, "unseen", info.Modified)
		w.Rename(t, "unseen", was+".gz")
		w.Remove(t, was)
	}
}
