// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"fmt"
	"strings"

	"utmpd.dev/utmpd/utmpx"
)

// ssh logs alice in on a terminal and returns her record.
func (m *machine) ssh() utmpx.Record {
	m.t.Helper()
	before := m.sessions()
	m.sh("setsid sh -c 'sleep 1000000 | ssh -tt alice@127.0.0.1' >/root/ssh.out 2>&1 </dev/null &")
	return m.appears(before, "an ssh session")
}

// login logs alice in at a getty's line.
func (m *machine) login(line string) utmpx.Record {
	m.t.Helper()
	before := m.sessions()
	m.loginAt(line)
	return m.appears(before, "a session on "+line)
}

// people logs in one user by ssh and one on the serial line, and one on the virtual terminal
// of a machine whose login(1) leaves both to utmpd.
func (m *machine) people(r row) []utmpx.Record {
	m.t.Helper()
	there := []utmpx.Record{m.ssh(), m.login("ttyS1")}
	if r.silent() {
		there = append(there, m.login("tty1"))
	}
	return there
}

// appears waits for a new session.
func (m *machine) appears(before []utmpx.Record, what string) utmpx.Record {
	m.t.Helper()
	known := make(map[string]bool)
	for _, r := range before {
		known[r.Raw()] = true
	}
	for w := m.wait("the record of " + what); ; w.pause() {
		for _, r := range m.sessions() {
			if !known[r.Raw()] {
				return r
			}
		}
	}
}

// stands checks that the records of sessions in utmp are unchanged in every byte and that
// their processes are alive.
func (m *machine) stands(sessions []utmpx.Record) {
	m.t.Helper()
	now := make(map[string]bool)
	for _, r := range m.sessions() {
		now[r.Raw()] = true
	}
	for _, s := range sessions {
		if !now[s.Raw()] {
			m.t.Errorf("the record of %s is not as it was:\n%s", s.Line, list(m.records(utmpFile)))
		}
		if m.try(fmt.Sprintf("kill -0 %d", s.PID), nil).Exit != 0 {
			m.t.Errorf("the process %d of %s is gone", s.PID, s.Line)
		}
	}
}

// murder kills all processes of a session at once, so that none can log out.
func (m *machine) murder(s utmpx.Record) {
	m.t.Helper()
	m.sh("all=%d; new=$all; while new=$(pgrep -d, -P $new); do all=$all,$new; done; kill -9 $(echo $all | tr , ' ')", s.PID)
}

// beat waits for a heartbeat later than now.
func (m *machine) beat() {
	m.t.Helper()
	const ask = "sed -n 's/^last heartbeat: //p' /run/utmpd/status"
	was := m.sh(ask)
	for w := m.wait("a heartbeat"); ; w.pause() {
		if now := m.sh(ask); now != was && now != "" && now != "never" {
			return
		}
	}
}

// set sets keys of the configuration and restarts utmpd.
func (m *machine) set(pairs ...string) {
	m.t.Helper()
	for _, p := range pairs {
		key, _, _ := strings.Cut(p, "=")
		m.sh("sed -i '/^%s=/d' /etc/default/utmpd && echo '%s' >>/etc/default/utmpd", key, p)
	}
	m.sh("utmpd -check")
}
