// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// logins is a machine with sessions by ssh, on which somebody opens terminals.
type logins struct {
	desk
	view   View
	led    []Terminal
	listed bool          // children are
	passes int           // over all processes
	slow   time.Duration // how long each takes
	near   int           // looks at the sessions alone
	late   time.Duration // how long the utmpx file takes to be read
}

func (l *logins) Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	time.Sleep(late)
	return l.desk.Snapshot(prev)
}

func (l *logins) run(t *testing.T, sessions int, then func(r *Recorder)) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now()
		l.view.Known = true
		for i := range sessions {
			it := ssh()
			it.Leader, it.Since = int32(1000+10*i), since.Add(time.Duration(i))
			l.view.Sessions = append(l.view.Sessions, it)
		}
		o := l.options()
		o.Machine.Lives = func(it Session) (time.Time, bool) { return it.Since, true }
		o.Machine.Terminals = func() ([]Terminal, error) {
			time.Sleep(l.slow)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.passes++
			return l.led, nil
		}
		o.Machine.Near = func(leaders []int32) (found []Terminal, ok bool) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.near++
			for _, led := range l.led {
				for _, pid := range leaders {
					for _, maker := range led.makers() {
						if maker == pid {
							found = append(found, led)
						}
					}
				}
			}
			return found, l.listed
		}
		o.File = l
		start(t, NewRecorder(o), func(r *Recorder) {
			r.See(l.view)
			time.Sleep(time.Minute)
			l.change(func() { l.passes, l.near = 0, 0 })
			then(r)
		})
	})
}

func (l *logins) change(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

// looked returns how often all processes were looked at, and those of the sessions alone.
func (l *logins) looked() (passes, near int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passes, l.near
}

func (l *logins) lines() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if r.Type == utmpx.UserProcess {
			lines = append(lines, r.Line)
		}
	}
	return lines
}

// A new terminal is found when its shell opens it, however long a pass over /proc takes.
func TestNear(t *testing.T) {
	for _, c := range []struct {
		name     string
		sessions int
		of       int // whose terminal it is
		listed   bool
		most     time.Duration
	}{
		{"one session", 1, 0, true, 0},
		{"the newest of many", 10 * nearMost, 10*nearMost - 1, true, 0},
		{"an old one of many", 10 * nearMost, 0, true, 100 * time.Millisecond},
		{"a kernel that lists no children", 1, 0, false, 100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &logins{listed: c.listed, slow: 20 * time.Millisecond}
			l.run(t, c.sessions, func(r *Recorder) {
				r.Look()
				time.Sleep(700 * time.Microsecond)
				leader := l.view.Sessions[c.of].Leader
				l.change(func() { l.led = append(l.led, shell("pts/7", leader+2, leader)) })
				r.LookNear()
				time.Sleep(c.most)
				synctest.Wait()
				if got := l.lines(); len(got) != 1 {
					t.Errorf("recorded: %q after %v", got, c.most)
				}
				if passes, _ := l.looked(); c.most == 0 && passes > 0 {
					t.Errorf("%d passes over /proc before the record", passes)
				}
			})
		})
	}
}

// What was found near is written only if it was there just now.
func TestNearIsFresh(t *testing.T) {
	l := &logins{listed: true}
	l.run(t, 1, func(r *Recorder) {
		leader := l.view.Sessions[0].Leader
		l.change(func() {
			l.late = 50 * time.Millisecond // meanwhile the terminal is gone
			l.led = []Terminal{shell("pts/7", leader+2, leader)}
		})
		r.LookNear()
		time.Sleep(10 * time.Millisecond)
		l.change(func() { l.led = nil })
		time.Sleep(time.Second)
		if got := l.lines(); len(got) > 0 {
			t.Errorf("recorded: %q", got)
		}
	})
}

// Nobody is looked for at rest, and whoever opens terminals has no pass over /proc made.
func TestNearAtRest(t *testing.T) {
	l := &logins{listed: true}
	l.run(t, 3, func(r *Recorder) {
		for range 100 {
			r.LookNear()
			time.Sleep(time.Millisecond)
		}
		passes, near := l.looked()
		if passes > 0 || near == 0 {
			t.Errorf("%d passes over /proc, %d looks", passes, near)
		}
		time.Sleep(time.Hour)
		if p, n := l.looked(); p > 0 || n != near {
			t.Errorf("in an hour at rest: %d passes over /proc, %d looks", p, n-near)
		}
	})
}

// Where sshd has made all sessions, or the terminal that has come is found, one pass over /proc
// at the end is enough. Another program's session may have a terminal anywhere.
func TestNearIsEnough(t *testing.T) {
	for _, c := range []struct {
		name     string
		sessions int
		service  string
		comes    bool
		most     int // passes over /proc
		least    int
	}{
		{"a terminal comes", 3, "sshd", true, 1, 1},
		{"none comes", 3, "sshd", false, 1, 1},
		{"one of many comes", 2 * nearMost, "sshd", true, 1, 1},
		{"none of many comes", 2 * nearMost, "sshd", false, 6, 6},
		{"none comes to another program's session", 3, "xrdp-sesman", false, 6, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &logins{listed: true}
			l.run(t, c.sessions, func(r *Recorder) {
				view := l.view
				view.Sessions = slices.Clone(view.Sessions)
				last := &view.Sessions[len(view.Sessions)-1]
				last.Service = c.service
				r.See(view)
				time.Sleep(time.Minute)
				l.change(func() { l.passes = 0 })
				r.Look()
				if c.comes {
					time.Sleep(10 * time.Millisecond)
					l.change(func() { l.led = append(l.led, shell("pts/7", last.Leader+2, last.Leader)) })
				}
				time.Sleep(time.Minute)
				if passes, _ := l.looked(); passes > c.most || passes < c.least {
					t.Errorf("%d passes over /proc, want %d to %d", passes, c.least, c.most)
				}
				if got := l.lines(); c.comes != (len(got) == 1) {
					t.Errorf("recorded: %q", got)
				}
			})
		})
	}
}
