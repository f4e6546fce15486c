// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// slack is what the two clocks, the duration of a heartbeat and fractions of a second can
// add to a heartbeat period. It does not allow for a slow machine: the compared times are
// from the guest's clock.
const slack = 5 * time.Second

// cut is a power cut: the sessions at that time, and the time.
type cut struct {
	sessions []utmpx.Record
	from, to time.Time     // the guest's clock around it
	every    time.Duration // heartbeat period
}

// powerCut waits for a heartbeat, so that earlier writes are on the disk, and cuts the power
// before the next one.
func (m *machine) powerCut(sessions []utmpx.Record, every time.Duration) cut {
	m.t.Helper()
	c := cut{every: every, sessions: sessions}
	m.beat()
	m.beat() // a heartbeat may have begun before the last login
	m.sh("sleep %d", int(every.Seconds()/3))
	m.stands(c.sessions)
	c.from, c.to = m.kill()
	return c
}

// told checks what the next boot records about a power cut, and describes it.
func (m *machine) told(c cut) string {
	m.t.Helper()
	m.sh("utmpctl boot && utmpctl boot") // the second run changes nothing
	rs := m.records(wtmpFile)
	ended, present, err := lastBoot(rs)
	if err != nil {
		m.t.Fatalf("%v:\n%s", err, list(rs))
	}
	p := m.downtime()
	m.ends(ended, p.To, c.sessions)
	if p.End != "crashed" {
		m.t.Errorf("utmpctl downtime says %q of a power cut:\n%s", p.End, list(rs))
	}
	if p.To.Before(c.from.Add(-c.every-slack)) || p.To.After(c.to.Add(slack)) {
		m.t.Errorf("the power was cut at %s; utmpctl downtime says %s, %s off (a beat every %s)\n%s",
			c.to.UTC(), p.To.UTC(), c.to.Sub(p.To), c.every, list(rs))
	}
	m.oneBoot(present)
	m.lastShows(open(ended), p.To)
	m.t.Logf("wtmp:\n%s", list(append(ended, present...)))
	m.t.Logf("last -x:\n%s", m.last())
	return fmt.Sprintf("recorded %.1f s early, from the %s; %d sessions end there",
		c.to.Sub(p.To).Seconds(), strings.ReplaceAll(p.KnownFrom, "-", " "), len(c.sessions))
}

// ends checks that a boot's records end with one shutdown at that moment, followed by the
// next boot, that they are in order of time, and that the sessions are open.
func (m *machine) ends(rs []utmpx.Record, at time.Time, sessions []utmpx.Record) {
	m.t.Helper()
	up := rs[len(rs)-1]
	before := slices.DeleteFunc(slices.Clone(rs[:len(rs)-1]), func(r utmpx.Record) bool {
		// sysvinit records its boot scripts before the boot: their end, and, where it can
		// write to the log from the start, their beginning. The clock was ahead for a while.
		return (r.Type == utmpx.InitProcess || r.Type == utmpx.DeadProcess) && r.ID == "si" && r.Line == "" ||
			r.Type == utmpx.OldTime || r.Type == utmpx.NewTime
	})
	n := 0
	for _, r := range before {
		if isShutdown(r) {
			n++
		}
	}
	// openrc-init records the end first and the boot last: logouts and the getty's record
	// are between them.
	for m.init != "" && len(before) > 1 && (before[len(before)-1].Type == utmpx.LoginProcess || before[len(before)-1].Type == utmpx.DeadProcess) {
		before = before[:len(before)-1]
	}
	down := before[len(before)-1]
	if n != 1 || !isShutdown(down) {
		m.t.Errorf("%d records of an end, wanted one, before the next boot's:\n%s", n, list(rs))
		return
	}
	if down.Time != utmpx.TimeOf(at) {
		m.t.Errorf("utmpctl downtime says %s, the record:\n%s", at.UTC(), list(rs))
	}
	for _, r := range before {
		if r.Time.Time().After(down.Time.Time()) {
			m.t.Errorf("a record from after the end:\n%s", list(rs))
		}
	}
	if down.Time.Time().After(up.Time.Time()) {
		m.t.Errorf("the end is after the next boot:\n%s", list(rs))
	}
	lines := make(map[string]bool)
	for _, s := range open(rs) {
		lines[s.Line] = true
	}
	for _, s := range sessions {
		if !lines[s.Line] {
			m.t.Errorf("the session on %s was lost with the power, or ended twice:\n%s", s.Line, list(rs))
		}
	}
}

// open returns the logins of alice that only the end of the boot ends.
func open(rs []utmpx.Record) []utmpx.Record {
	var o []utmpx.Record
	for i, r := range rs {
		if r.Type != utmpx.UserProcess || r.User != "alice" {
			continue
		}
		closed := false
		for _, later := range rs[i+1:] {
			closed = closed || later.Line == r.Line && (later.Type == utmpx.DeadProcess || later.Type == utmpx.UserProcess)
		}
		if !closed {
			o = append(o, r)
		}
	}
	return o
}

// oneBoot checks that the present boot is recorded once: one BOOT_TIME in each file, with
// the same content.
func (m *machine) oneBoot(present []utmpx.Record) {
	m.t.Helper()
	for _, r := range present {
		if isBoot(r) || isShutdown(r) {
			m.t.Errorf("after this boot's record:\n%s", list(present))
		}
	}
	var boots []utmpx.Record
	rs := m.records(utmpFile)
	for _, r := range rs {
		if isBoot(r) {
			boots = append(boots, r)
		}
	}
	if len(boots) != 1 {
		m.t.Errorf("%d boots in utmp:\n%s", len(boots), list(rs))
	}
}
