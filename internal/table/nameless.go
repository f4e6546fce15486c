// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// idleAge is how old a record without process, line and id must be before it counts
// that its user has no process.
const idleAge = time.Hour

// isNameless reports whether a record names neither process nor line nor id, as a
// display manager leaves it after a login that failed.
func isNameless(r utmpx.Record) bool { return r.PID == 0 && r.Line == "" && r.ID == "" }

// judgeNameless goes on with a session whose record names no process. One that names a
// line or an id may be somebody's as long as it is of this boot.
func (t *Table) judgeNameless(s *entry) {
	named := !isNameless(s.record())
	switch {
	case s.state != done || !s.review:
	case named && t.beforeBoot(s.login):
		t.foundDead(s, foundOlder)
	case named:
		t.leaveNameless(s)
	case !t.set.KeepBusyLines:
		t.foundDead(s, foundNameless)
	case t.beforeBoot(s.login):
		t.foundDead(s, foundOlder)
	case t.age(s) >= idleAge:
		t.review(s, session.Question{User: s.user, Idle: true})
	default:
		t.leaveNameless(s)
	}
}

func (t *Table) leaveNameless(s *entry) {
	if !s.told {
		s.told = true
		t.reportLeft(s, "its record names no process")
	}
}

// beforeBoot reports whether a record is proven to be older than this boot.
func (t *Table) beforeBoot(login utmpx.Time) bool {
	booted := t.now.Wall.Add(-t.now.Up)
	return login.Sec != 0 && t.clockKept(booted) && login.Time().Before(booted.Add(-bootEarly))
}

// age returns how old a record is: by its time, or since it was first seen.
func (t *Table) age(s *entry) time.Duration {
	age := t.now.Mono - s.since
	if s.login.Sec != 0 {
		age = max(age, t.now.Wall.Sub(s.login.Time()))
	}
	return age
}

// judgeIdle goes on with a session by whether its user surely has no process.
func (t *Table) judgeIdle(s *entry, idle bool) {
	if idle {
		t.foundDead(s, foundIdle)
		return
	}
	t.leaveNameless(s)
}
