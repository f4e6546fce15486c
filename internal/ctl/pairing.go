// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"iter"
	"runtime"

	"utmpd.dev/utmpd/internal/glance"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// ahead is all, but that a goroutine finds the sessions while the caller prints those before.
// It has ended when the iteration ends.
func (l *sessionLog) ahead() iter.Seq[*sessions.Session] {
	if runtime.GOMAXPROCS(0) == 1 {
		return l.all()
	}
	return func(yield func(*sessions.Session) bool) {
		p := &pairing{out: make(chan *bunch, bunches), free: make(chan *bunch, bunches), stop: make(chan struct{})}
		for range bunches {
			p.free <- new(bunch)
		}
		defer p.end()
		go p.run(l.all())
		var done []*bunch // given back together: the goroutine wakes up once for half of them
		for b := range p.out {
			for i := range b.all {
				if !yield(&b.all[i]) {
					return
				}
			}
			if done = append(done, b); len(done) >= bunches/2 || len(p.out) == 0 {
				for _, b := range done {
					p.free <- b
				}
				done = done[:0]
			}
		}
	}
}

// Sessions are handed on in bunches. The first is small, so that the first
// lines come early.
const (
	bunches    = 16
	firstBunch = 16
	mostBunch  = 256
)

// bunch is some sessions, with memory of their own.
type bunch struct {
	all  []sessions.Session
	text texts
}

// pairing finds sessions in a goroutine.
type pairing struct {
	out, free chan *bunch
	stop      chan struct{} // closed: the caller wants no more
	now       *bunch
}

func (p *pairing) run(all iter.Seq[*sessions.Session]) {
	defer close(p.out)
	most := firstBunch
	for s := range all {
		if p.now == nil && !p.take() {
			return
		}
		p.now.add(s)
		if len(p.now.all) >= most {
			p.out <- p.now
			p.now, most = nil, min(2*most, mostBunch)
		}
	}
	if p.now != nil {
		p.out <- p.now
	}
}

// take waits until the caller has done with a bunch, and reports whether it wants more.
func (p *pairing) take() bool {
	select {
	case <-p.stop:
		return false
	default:
	}
	select {
	case p.now = <-p.free:
		p.now.all, p.now.text = p.now.all[:0], p.now.text[:0]
		return true
	case <-p.stop:
		return false
	}
}

func (b *bunch) add(s *sessions.Session) {
	b.all = append(b.all, *s)
	r := &b.all[len(b.all)-1].Login
	*r = b.text.login(r)
}

// texts is memory for the texts of logins.
type texts []byte

// login returns a login with its texts here, and without the bytes that it came from: they
// take more room, and longer to hand to another processor, than all else.
func (t *texts) login(r *utmpx.Record) utmpx.Record {
	return utmpx.Record{
		Type: r.Type, PID: r.PID, Session: r.Session, Time: r.Time, Exit: r.Exit, Addr: r.Addr,
		Line: t.keep(r.Line), ID: t.keep(r.ID), User: t.keep(r.User), Host: t.keep(r.Host),
	}
}

func (t *texts) keep(s string) string {
	n := len(*t)
	*t = append(*t, s...)
	return glance.Text((*t)[n:])
}

// end ends the goroutine.
func (p *pairing) end() {
	close(p.stop)
	for range p.out {
	}
}
