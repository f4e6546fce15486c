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

// add adds a copy of a session. It assigns field by field what the slot lacks: to copy the
// session as a whole, and then its login once more, takes twice as long. The login is without
// the bytes that it came from: they take more room, and longer to hand to another processor,
// than all else.
func (b *bunch) add(s *sessions.Session) {
	n := len(b.all)
	if n == cap(b.all) {
		b.all = append(b.all, sessions.Session{})
	}
	b.all = b.all[:n+1]
	to := &b.all[n]
	to.From, to.End, to.To, to.Exact, to.Least, to.Most = s.From, s.End, s.To, s.Exact, s.Least, s.Most
	to.Exit, to.By, to.Stepped, to.Jumped = s.Exit, s.By, s.Stepped, s.Jumped
	b.text.login(&to.Login, &s.Login)
}

// texts is memory for the texts of logins.
type texts []byte

// login makes a login that was not decoded a copy of another one, with its texts here.
func (t *texts) login(to, from *utmpx.Record) {
	to.Type, to.PID, to.Session, to.Time = from.Type, from.PID, from.Session, from.Time
	to.Exit, to.Addr = from.Exit, from.Addr
	to.Line, to.ID, to.User, to.Host = t.keep(from.Line), t.keep(from.ID), t.keep(from.User), t.keep(from.Host)
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
