// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"slices"

	"utmpd.dev/utmpd/utmpx"
)

// gettys has alice log in where a getty waits, on the serial line and on the virtual
// terminal, with a login(1) that writes no record. Utmpd puts hers in the place of the
// getty's. She logs out, and the next time all her processes are killed.
func (m *machine) gettys() string {
	m.t.Helper()
	var told string
	for _, line := range []string{"ttyS1", "tty1"} {
		waits := m.getty(line, 0)
		for _, killed := range []bool{false, true} {
			was, log := m.records(utmpFile), len(m.records(wtmpFile))
			s := m.login(line)
			place := slices.IndexFunc(was, func(r utmpx.Record) bool { return r.Raw() == waits.Raw() })
			if rs := m.records(utmpFile); s.Line != line || s.PID != waits.PID || s.ID != waits.ID || rs[place].Raw() != s.Raw() || len(undead(rs, line)) != 1 {
				m.t.Errorf("not in the place of the getty's record, or not alone on %s. Before:\n%sNow:\n%s", line, list(was), list(rs))
			}
			told = m.readers([]utmpx.Record{s}, utmpx.Record{})
			m.leave(s, killed)
			waits = m.getty(line, waits.PID)
			m.closedOnce(s, log)
			if rs := m.records(utmpFile); len(undead(rs, line)) != 1 {
				m.t.Errorf("the getty is not alone on %s:\n%s", line, list(rs))
			}
		}
	}
	return "each login in the place of the getty's record; " + told + "; logged out, and killed whole: one login, one logout, and the next getty's record"
}

func (m *machine) loginAt(line string) {
	m.t.Helper()
	if line == "tty1" {
		m.screen.login()
	} else {
		m.serial.login(m.t)
	}
}

// leave ends a session, by logging out or by killing all of it.
func (m *machine) leave(s utmpx.Record, killed bool) {
	m.t.Helper()
	switch {
	case killed:
		m.murder(s)
	case s.Line == "tty1":
		m.screen.typeln("exit")
	default:
		m.serial.typeln(m.t, "exit")
	}
}

// getty waits for the record of a getty that waits at a line, other than that of pid. Agetty
// adds it to the file, where init writes no record of it and its last one is not the last.
func (m *machine) getty(line string, pid int32) utmpx.Record {
	m.t.Helper()
	for w := m.wait("the record of a getty on " + line); ; w.pause() {
		for _, r := range m.records(utmpFile) {
			if r.Type == utmpx.LoginProcess && r.Line == line && r.PID != pid {
				return r
			}
		}
	}
}

// closedOnce checks that the log has one login and one logout of a session that has ended,
// and no others of its line after so many records.
func (m *machine) closedOnce(s utmpx.Record, log int) {
	m.t.Helper()
	ends := func() (logins, logouts int) {
		for _, r := range of(m.records(wtmpFile)[log:], s.Line) {
			switch {
			case r.Type == utmpx.UserProcess && r.PID == s.PID && r.Time == s.Time && r.User == s.User:
				logins++
			case r.Type == utmpx.DeadProcess && r.PID == s.PID && logins == 1:
				logouts++
			case r.Type == utmpx.UserProcess || r.Type == utmpx.DeadProcess:
				logouts += 100
			}
		}
		return logins, logouts
	}
	for w := m.wait("a logout on " + s.Line); ; w.pause() {
		if _, logouts := ends(); logouts > 0 {
			break
		}
	}
	m.beat() // whoever else wants to record the end has had the time
	if logins, logouts := ends(); logins != 1 || logouts != 1 {
		m.t.Errorf("%s: %d logins and %d logouts:\n%s", s.Line, logins, logouts, list(m.records(wtmpFile)[log:]))
	}
}

// of returns the records of a line.
func of(rs []utmpx.Record, line string) []utmpx.Record {
	return slices.DeleteFunc(slices.Clone(rs), func(r utmpx.Record) bool { return r.Line != line })
}

// undead returns the records of a line that are not those of dead sessions.
func undead(rs []utmpx.Record, line string) []utmpx.Record {
	return slices.DeleteFunc(of(rs, line), func(r utmpx.Record) bool { return r.Type == utmpx.DeadProcess })
}

// offersScreen makes the machine wait for logins at its screen too, from the next boot on.
func (m *machine) offersScreen() {
	m.t.Helper()
	m.sh("systemctl unmask getty@tty1.service && systemctl enable getty@tty1.service")
}
