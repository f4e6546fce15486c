// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"strconv"

	"utmpd.dev/utmpd/internal/session"
)

// pseudoMajor is the major device number of pseudo terminals. The minor is the terminal's.
//
// Source: UNIX98_PTY_SLAVE_MAJOR in the kernel's linux/major.h.
const pseudoMajor = 136

// LedTerminals returns the pseudo terminals that have a living session leader, in no order.
// It blocks for one pass over /proc, about 8 µs for each process. Processes in containers
// are left out: their terminals are not the machine's. Parents that end during the pass are
// missing, and the rest of their line with them.
//
// Source: tty_nr, session and ppid in proc_pid_stat(5).
func LedTerminals() ([]LedTerminal, error) {
	type relation struct {
		parent int32
		sshd   bool
	}
	var led []LedTerminal
	all := make(map[int32]relation)
	err := eachStat(func(s stat) {
		all[s.pid] = relation{s.parent, s.sshd}
		major, minor := s.tty>>8&0xfff, s.tty&0xff|s.tty>>12&^0xff
		if major != pseudoMajor || s.session != s.pid || s.ended() || contained(s.pid) {
			return
		}
		led = append(led, LedTerminal{Line: "pts/" + strconv.Itoa(int(minor)), Leader: session.ID{PID: s.pid, Start: s.start}, SSHD: s.sshd})
	})
	if err != nil {
		return nil, fmt.Errorf("proc: pseudo terminals: %w", err)
	}
	for i := range led {
		t := &led[i]
		for pid := all[t.Leader.PID].parent; pid > 0 && len(t.Above) < generations; pid = all[pid].parent {
			above, found := all[pid]
			if !found {
				break
			}
			t.Above = append(t.Above, Ancestor{pid, above.sshd})
		}
	}
	return led, nil
}
