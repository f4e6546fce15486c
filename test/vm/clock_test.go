// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// stepped is by how much the clock is set, forward and back again.
const stepped = time.Hour

// clockSet sets the machine's clock with date(1), forward and back. For each step utmpd
// writes OLD_TIME and NEW_TIME. The running boot is as long as the kernel has counted.
func (m *machine) clockSet() string {
	m.t.Helper()
	for i, by := range []time.Duration{stepped, -stepped} {
		log := len(m.records(wtmpFile))
		from := m.now()
		m.sh("date -s '%+d seconds' >/dev/null", int(by.Seconds()))
		to := m.now().Add(-by)
		for w := m.wait("the records of a step"); len(m.records(wtmpFile)) == log; w.pause() {
		}
		rs := m.records(wtmpFile)[log:]
		if len(rs) != 2 || rs[0].Type != utmpx.OldTime || rs[1].Type != utmpx.NewTime || rs[0].Line != "|" || rs[1].Line != "{" {
			m.t.Errorf("the clock was set by %s; wtmp has grown by:\n%s", by, list(rs))
			continue
		}
		was, is := rs[0].Time.Time(), rs[1].Time.Time()
		if off := is.Sub(was) - by; off.Abs() > time.Second {
			m.t.Errorf("the clock was set by %s, by the records %s:\n%s", by, is.Sub(was), list(rs))
		}
		// utmpd looks two seconds later.
		if was.Before(from) || was.After(to.Add(2*time.Second+slack)) {
			m.t.Errorf("the clock was set between %s and %s; the records:\n%s", from, to, list(rs))
		}
		m.until("the log's line", fmt.Sprintf("test $(%s grep -c 'the clock was stepped.*recorded=yes') = %d", loggedLines, i+1))
		m.runs(0)
	}
	return "each step recorded once, OLD_TIME and NEW_TIME; the running boot as long as the kernel says"
}

// asleep is for how long the machine is suspended at least.
const asleep = 20 * time.Second

// suspended suspends the machine to its memory. It is woken by its own clock. The running
// boot is as long as the kernel has counted without the suspend, which is told apart.
func (m *machine) suspended() (slept time.Duration, told string) {
	m.t.Helper()
	log := len(m.records(wtmpFile))
	m.sh("echo +%d >/sys/class/rtc/rtc0/wakealarm && echo mem >/sys/power/state", int(asleep.Seconds()))
	slept = m.slept()
	if slept < asleep-2*time.Second { // the alarm has whole seconds
		m.t.Errorf("the machine was suspended for %s only", slept)
	}
	m.beat()
	m.runs(slept)
	if rs := m.records(wtmpFile); len(rs) != log {
		m.t.Errorf("the machine was suspended; wtmp has grown by:\n%s", list(rs[log:]))
	}
	return slept, fmt.Sprintf("%.0f s, told apart in the running boot; nothing recorded", slept.Seconds())
}

// loggedLines prints utmpd's log on either kind of machine.
const loggedLines = `{ journalctl -q -o cat -b -u utmpd 2>/dev/null || cat /var/log/syslog; } | `

// now returns the time on the machine's clock.
func (m *machine) now() time.Time {
	m.t.Helper()
	return m.try(":", nil).Now
}

// slept returns for how long the machine has been suspended since its start. Both clocks
// are read at once: a program takes a second to start here.
func (m *machine) slept() time.Duration {
	m.t.Helper()
	return m.clock("time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)")
}

// uptime returns for how long the machine has run, suspends apart.
func (m *machine) uptime() time.Duration {
	m.t.Helper()
	return m.clock("time.clock_gettime(time.CLOCK_MONOTONIC)")
}

// clock returns the value of a Python expression, in seconds.
func (m *machine) clock(expression string) time.Duration {
	m.t.Helper()
	out := m.sh("python3 -c 'import time; print(%s)'", expression)
	s, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		m.t.Fatal(err)
	}
	return time.Duration(s * float64(time.Second))
}

// runs checks how long the running boot is said to run, and to have been suspended.
func (m *machine) runs(slept time.Duration) {
	m.t.Helper()
	from := m.uptime()
	all := m.boots()
	to := m.uptime()
	b := all[len(all)-1]
	if b.Up == nil {
		m.t.Errorf("utmpctl downtime does not say how long the boot of %s runs", b.From)
		return
	}
	if up := seconds(b.Up); up < from-time.Second || up > to+time.Second {
		m.t.Errorf("the machine runs for %s to %s by the kernel, %s by utmpctl downtime", from, to, up)
	}
	m.suspendedFor(b, slept)
}

// suspendedFor checks how long a boot is said to have been suspended.
func (m *machine) suspendedFor(b period, slept time.Duration) {
	m.t.Helper()
	said := time.Duration(0)
	if b.Slept != nil {
		said = seconds(b.Slept)
	}
	if (said - slept).Abs() > time.Second {
		m.t.Errorf("in the boot of %s the machine was suspended for %s, by utmpctl downtime for %s", b.From, slept, said)
	}
}

func seconds(s *float64) time.Duration { return time.Duration(*s * float64(time.Second)) }
