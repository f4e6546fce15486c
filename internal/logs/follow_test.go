// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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
			for nth := 0; ; nth++ {
				var calls int
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
				if t.Failed() || nth > 200 {
					break
				}
			}
		})
	}
}
