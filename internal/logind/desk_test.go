// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// desk is the machine of a Recorder: one session by ssh on one terminal, and the two files.
type desk struct {
	mu      sync.Mutex
	records []utmpx.Record // of the utmpx file, as far as it is read
	taken   bool           // a record that is not read is in the way
	puts    int

	logins  []utmpx.Record // in the wtmpx file
	logFail error          // of each use of it
}

func (d *desk) Snapshot(prev *snapshot.Snapshot) (*snapshot.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var data []byte
	for _, r := range d.records {
		text, err := utmpx.Native().Encode(r)
		if err != nil {
			return nil, err
		}
		data = append(data, text...)
	}
	return snapshot.New(snapshot.Generation{Ino: 1}, utmpx.Native(), prev, data), nil
}

func (d *desk) PutUnless(_ context.Context, r, _ utmpx.Record, taken func(utmpx.Record) bool) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.puts++; d.puts > 10_000 { // the clock stands still meanwhile
		panic("the recorder goes in circles")
	}
	if d.taken || slices.ContainsFunc(d.records, taken) {
		return 0, recfile.ErrTaken
	}
	d.records = append(d.records, r)
	return len(d.records) - 1, nil
}

func (d *desk) Swap(context.Context, snapshot.Generation, []recfile.Swap) ([]bool, error) {
	panic("not used")
}

func (d *desk) Append(_ context.Context, choose func(*openlogins.Logins) []utmpx.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.logFail != nil {
		return d.logFail
	}
	d.logins = append(d.logins, choose(new(openlogins.Logins))...)
	return nil
}

func (d *desk) Read(context.Context) (*openlogins.Logins, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return new(openlogins.Logins), d.logFail
}

// run has a Recorder work on the desk for a while.
func (d *desk) run(t *testing.T, then func(r *Recorder)) {
	it := ssh()
	it.Since = time.Now()
	o := d.options()
	o.Machine.Lives = func(Session) (time.Time, bool) { return it.Since, true }
	start(t, NewRecorder(o), func(r *Recorder) {
		r.See(View{Known: true, Sessions: []Session{it}})
		then(r)
	})
}

// options are those of a Recorder that works on the desk.
func (d *desk) options() Options {
	return Options{
		File: d, Log: d, Logger: slog.New(slog.DiscardHandler),
		Machine: Machine{
			Terminals: func() ([]Terminal, error) { return []Terminal{shell("pts/0", 102, 100)}, nil },
			Near:      func([]int32) ([]Terminal, bool) { return []Terminal{shell("pts/0", 102, 100)}, true },
			Above:     func(int32) []int32 { return nil },
			Session:   func(int32) string { return "" },
			Device:    func(string) bool { return true },
			Shell:     func(int32) bool { return true },
			Gone:      func(string) bool { return false },
			Now:       time.Now,
		},
		Intend:  func([]session.OwnRecord, []Owed) {},
		Changed: func([]session.OwnRecord) {},
		LogOut:  func(_ utmpx.Record, _ time.Time, _ bool, done func(bool)) { done(false) },
		Missed:  func() {},
	}
}

// start has a Recorder work while something happens.
func start(t *testing.T, r *Recorder, then func(r *Recorder)) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	then(r)
	cancel()
	<-done
}

// What the utmpx file holds beyond what is read of it may be in the way, each time.
func TestTakenAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{taken: true}
		d.run(t, func(*Recorder) {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			d.mu.Lock()
			if d.puts == 0 || d.puts > len(looks)+4 {
				t.Errorf("tried %d times in ten seconds", d.puts)
			}
			d.taken = false
			d.mu.Unlock()
			time.Sleep(lastTry)
			synctest.Wait()
			d.mu.Lock()
			if len(d.records) != 1 {
				t.Error("not recorded once nothing is in the way")
			}
			d.mu.Unlock()
		})
	})
}

// A log that cannot be read for a while gets the login later, and once.
func TestLogComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{logFail: errors.New("input/output error")}
		d.run(t, func(r *Recorder) {
			time.Sleep(time.Minute)
			synctest.Wait()
			d.mu.Lock()
			if len(d.records) != 1 || len(d.logins) != 0 {
				t.Fatalf("records %v, logins %v", d.records, d.logins)
			}
			d.logFail = nil
			d.mu.Unlock()
			time.Sleep(2 * lastTry)
			r.Wake()
			time.Sleep(time.Minute)
			synctest.Wait()
			d.mu.Lock()
			if len(d.logins) != 1 || d.logins[0].Line != "pts/0" || d.logins[0].Time != d.records[0].Time {
				t.Errorf("logins %v of the records %v", d.logins, d.records)
			}
			d.mu.Unlock()
		})
	})
}

// A session that has ended is logged in later if its record tells when, since its logout can
// follow then, and else not.
func TestLogComesBackTooLate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after func(r *utmpx.Record)
		want  int
	}{
		{"its record was closed", func(r *utmpx.Record) { r.Type = utmpx.DeadProcess }, 1},
		{"and another's is in its place", func(r *utmpx.Record) { r.Type, r.PID = utmpx.DeadProcess, r.PID+1 }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{logFail: errors.New("input/output error")}
				d.run(t, func(r *Recorder) {
					time.Sleep(time.Second)
					synctest.Wait()
					d.mu.Lock()
					if len(d.records) != 1 {
						t.Fatal("not recorded")
					}
					tt.after(&d.records[0])
					d.taken, d.logFail = true, nil
					d.mu.Unlock()
					r.Wake()
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					d.mu.Lock()
					if len(d.logins) != tt.want {
						t.Errorf("logins %v after the end", d.logins)
					}
					d.mu.Unlock()
				})
			})
		})
	}
}

// Whoever keeps the Recorder busy gets a tenth of a processor, and a login after a while of rest
// is looked for without a pause.
func TestPace(t *testing.T) {
	for _, work := range []time.Duration{100 * time.Microsecond, 3 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		start := time.Unix(0, 0)
		now := start
		p := pace{saved: mostSaved, at: now}
		worked, first := time.Duration(0), 0
		for now.Sub(start) < time.Minute {
			began := now
			now = now.Add(work)
			rest := p.after(began, now)
			if rest > 0 && first == 0 {
				first = int(worked / work)
			}
			worked += work
			now = now.Add(rest)
		}
		if most := time.Minute/restRatio + mostSaved + work; worked > most {
			t.Errorf("pieces of %v: worked for %v of a minute, want %v at most", work, worked, most)
		}
		if work == 3*time.Millisecond && first < 10 {
			t.Errorf("a pause after %d looks", first)
		}
	}
	now := time.Unix(0, 0)
	p := pace{saved: mostSaved, at: now}
	if rest := p.after(now, now.Add(time.Hour)); rest != mostRest {
		t.Errorf("a pause of %v after an hour", rest)
	}
	now = now.Add(time.Hour + mostRest)
	if rest := p.after(now, now.Add(time.Millisecond)); rest > 20*time.Millisecond {
		t.Errorf("and of %v after the next look", rest)
	}
}

// What an earlier run has begun is half recorded until it was looked for in the log.
func TestHalfAtStart(t *testing.T) {
	begun := session.OwnRecord{OpenLogin: session.OpenLogin{Login: session.Login{Line: "pts/9", PID: 100, Time: utmpx.Time{Sec: 1}}, User: "alice"}}
	r := NewRecorder(Options{Own: []session.OwnRecord{begun}})
	other := begun.Login
	other.Line = "pts/8"
	if !r.Half(begun.Login) || r.Half(other) {
		t.Errorf("its own: %v, another: %v", r.Half(begun.Login), r.Half(other))
	}
}
