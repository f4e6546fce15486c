// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/session"
)

// world is a simulated Kernel.
type world struct {
	late     time.Time // since when ends may have come that the poller reports now; zero: at once
	mu       sync.Mutex
	living   map[int32]*life
	started  uint64
	handles  int   // open descriptors
	noPidfds error // returned by Open and NewPoller if not nil
	openErr  error // returned by Open if not nil
	most     int   // descriptors beyond which no terminal can be held, if not 0
	holds    int   // terminals held so far
	addErr   error // returned by Poller.Add if not nil
	findErr  error // returned by Find if not nil
	polls    int   // calls of Ended
	hides    bool  // /proc hides processes: without pidfds no more is known than pids
	evidence []session.Evidence
	hungUp   map[string]bool   // lines
	owners   map[string]uint32 // of lines; root if there is none
	slow     time.Duration     // how long Gather takes
	passes   int               // calls of Gather
	poller   *simPoller
}

// life is one simulated process. Its pid may be reused.
type life struct {
	id            session.ID
	ended, reaped bool
	status        session.Status
	nobody        session.Nobody
	keys          []uint64
}

func newWorld() *world { return &world{living: make(map[int32]*life)} }

// start starts a process with pid.
func (k *world) start(pid int32) session.ID {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.started++
	id := session.ID{PID: pid, Start: k.started, Inode: 1000 + k.started}
	k.living[pid] = &life{id: id}
	return id
}

// exit turns the process under pid into a zombie.
func (k *world) exit(pid int32) { k.end(pid, false, session.Status{}) }

// reap ends and removes the process under pid.
func (k *world) reap(pid int32, wait int32) {
	k.end(pid, true, session.Status{Known: true, Wait: wait})
}

func (k *world) end(pid int32, reaped bool, status session.Status) {
	k.mu.Lock()
	defer k.mu.Unlock()
	it := k.living[pid]
	it.ended, it.reaped, it.status = true, reaped, status
	if reaped {
		delete(k.living, pid)
	}
	for _, key := range it.keys {
		k.poller.report(proc.End{Key: key, Reaped: reaped, Since: k.late})
	}
}

func (k *world) Open(pid int32) (Process, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, err := range []error{k.noPidfds, k.openErr} {
		if err != nil {
			return nil, err
		}
	}
	it := k.living[pid]
	if it == nil {
		return nil, proc.ErrGone
	}
	k.handles++
	return &simProcess{world: k, life: it, id: it.id}, nil
}

func (k *world) Find(pid int32) (Process, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.findErr != nil {
		return nil, k.findErr
	}
	it := k.living[pid]
	if it == nil {
		return nil, proc.ErrGone
	}
	p := &simProcess{world: k, life: it, id: session.ID{PID: pid, Start: it.id.Start}, found: true, unsure: k.hides}
	if k.hides {
		p.id.Start = 0
	}
	return p, nil
}

func (k *world) NewPoller() (Poller, error) {
	if k.noPidfds != nil {
		return nil, k.noPidfds
	}
	k.handles++
	k.poller = &simPoller{world: k, more: make(chan struct{}, 1), closed: make(chan struct{})}
	return k.poller, nil
}

func (k *world) Look(sights []session.Sight, _ []Terminal) []session.Sighting {
	seen := make([]session.Sighting, len(sights))
	for i, q := range sights {
		seen[i].Key = q.Key
	}
	return seen
}

// Hold finds each pseudo terminal, as long as nobody has hung it up.
func (k *world) Hold(line string) (Terminal, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.openErr != nil {
		return nil, k.openErr
	}
	if k.most > 0 && k.handles >= k.most {
		return nil, syscall.EMFILE
	}
	k.handles++
	k.holds++
	return &simTerminal{k, line, k.owners[line]}, nil
}

// simTerminal is a terminal in view.
type simTerminal struct {
	world *world
	line  string
	owner uint32
}

func (s *simTerminal) Owner() uint32 { return s.owner }

func (s *simTerminal) Gone() bool {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return s.world.hungUp[s.line]
}

func (s *simTerminal) Close() error {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.world.handles--
	return nil
}

func (k *world) Gather([]session.Question) []session.Evidence {
	k.passes++
	time.Sleep(k.slow)
	return k.evidence
}

type simProcess struct {
	world  *world
	life   *life
	id     session.ID
	found  bool
	unsure bool
	closed bool
}

func (p *simProcess) ID() session.ID { return p.id }

func (p *simProcess) Unsure() bool { return p.unsure }

func (p *simProcess) Nobody() session.Nobody { return p.life.nobody }

func (p *simProcess) Ended() (ended, reaped bool) {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	p.world.polls++
	if p.found {
		return p.endedByPID()
	}
	return p.life.ended, p.life.reaped
}

// endedByPID tells of the process that has the pid now, as proc.Process does.
func (p *simProcess) endedByPID() (ended, reaped bool) {
	now := p.world.living[p.id.PID]
	p.unsure = p.world.hides
	switch {
	case now == nil || !p.unsure && p.id.Start != 0 && now.id.Start != p.id.Start:
		return true, true
	case p.unsure:
		return false, false
	}
	return now.ended, now.reaped
}

func (p *simProcess) Status() session.Status {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.life.status
}

func (p *simProcess) Close() error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	p.closed, p.life.keys = true, nil
	if !p.found {
		p.world.handles--
	}
	return nil
}

type simPoller struct {
	world  *world
	mu     sync.Mutex
	ends   []proc.End
	fails  int  // how many calls of Wait fail
	held   bool // who waits does not run
	more   chan struct{}
	closed chan struct{}
}

func (l *simPoller) report(end proc.End) {
	l.mu.Lock()
	l.ends = append(l.ends, end)
	l.mu.Unlock()
	if l.held {
		return
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *simPoller) Add(p Process, key uint64) error {
	it := p.(*simProcess)
	it.world.mu.Lock()
	defer it.world.mu.Unlock()
	if it.world.addErr != nil {
		return it.world.addErr
	}
	it.life.keys = append(it.life.keys, key)
	if it.life.ended {
		l.report(proc.End{Key: key, Reaped: it.life.reaped})
	}
	return nil
}

func (l *simPoller) Wait(ends []proc.End) ([]proc.End, error) {
	if l.fails > 0 {
		l.fails--
		return ends, errors.New("input/output error")
	}
	select {
	case <-l.more:
		l.mu.Lock()
		defer l.mu.Unlock()
		ends, l.ends = append(ends, l.ends...), nil
		return ends, nil
	case <-l.closed:
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.ends) == 0 {
			return ends, os.ErrClosed
		}
		ends, l.ends = append(ends, l.ends...), nil
		return ends, nil
	}
}

func (l *simPoller) Close() error {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	l.world.handles--
	close(l.closed)
	return nil
}

// rig is a running Watcher in a simulated world.
type rig struct {
	*world
	*Watcher
	t      *testing.T
	got    sync.Mutex
	events []Event
}

func (r *rig) emit(events []Event) {
	r.got.Lock()
	defer r.got.Unlock()
	r.events = append(r.events, events...)
}

// take waits until the Watcher is idle and returns the events since the last
// call.
func (r *rig) take() []Event {
	synctest.Wait()
	r.got.Lock()
	defer r.got.Unlock()
	events := r.events
	r.events = nil
	return events
}

// inWorld calls test in a synctest bubble with a Watcher that runs in k. It
// checks that the Watcher closes all descriptors.
func inWorld(t *testing.T, k *world, limit int, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{world: k, t: t}
		r.Watcher = New(Options{Kernel: k, Limit: limit, Emit: r.emit})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		test(r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if k.handles != 0 {
			t.Errorf("%d descriptors left open", k.handles)
		}
	})
}

// want compares the events that take returns, except their times.
func (r *rig) want(want ...Event) {
	r.t.Helper()
	got := r.take()
	for i := range got {
		if got[i].At.IsZero() {
			r.t.Errorf("%v has no time", got[i])
		}
		got[i].At = time.Time{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("events (-want +got):\n%s", diff)
	}
}

func (r *rig) watch(pids ...int32) {
	var orders []Order
	for _, pid := range pids {
		orders = append(orders, Order{Op: Watch, PID: pid})
	}
	r.Do(orders)
}

func (r *rig) forget(token session.Token) { r.Do([]Order{{Op: Forget, Token: token}}) }

// wantWatched checks the number of watched processes that Stats reports and the
// number of open descriptors.
func (r *rig) wantWatched(watched, descriptors int) {
	r.t.Helper()
	synctest.Wait()
	if got, _ := r.Stats(); got != watched {
		r.t.Errorf("%d watched, want %d", got, watched)
	}
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	if r.handles-1 != descriptors { // without the poller's
		r.t.Errorf("%d descriptors, want %d", r.handles-1, descriptors)
	}
}
