// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"fmt"
	"strings"

	"utmpd.dev/utmpd/utmpx"
)

// witnesses are programs that read utmp in different ways and print one line for each
// session, with the name of its line.
var witnesses = []struct{ name, command string }{
	{"getutxent", `getutxent | grep '^7 '`},
	{"who /run/utmp", "who /run/utmp"},
	{"psutil", `python3 -c 'import psutil
for u in psutil.users(): print(u.name, u.terminal, u.host, u.pid)'`},
	{"busybox who", "busybox who"},
	{"utmpctl who", "utmpctl who | tail -n +2"},
}

// readers checks that each of them shows the living sessions and not the dead ones, and
// returns their names.
func (m *machine) readers(living []utmpx.Record, dead utmpx.Record) string {
	m.t.Helper()
	var right []string
	for _, w := range witnesses {
		out := m.sh("%s", w.command)
		lines := make(map[string]bool)
		for l := range strings.Lines(out) {
			for _, f := range strings.Fields(l) {
				lines[f] = true
			}
		}
		ok := !lines[dead.Line]
		for _, s := range living {
			ok = ok && lines[s.Line]
		}
		if !ok || len(strings.Split(out, "\n")) != len(living) {
			m.t.Errorf("%s is wrong: %d sessions live, not that on %s:\n%s", w.name, len(living), dead.Line, out)
			continue
		}
		right = append(right, w.name)
	}
	return fmt.Sprintf("correct: %s", strings.Join(right, ", "))
}
