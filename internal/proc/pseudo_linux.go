// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
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
		if t, ok := s.leads(); ok {
			led = append(led, t)
		}
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

// leads returns the pseudo terminal that a living process leads, without what is above it.
func (s stat) leads() (t LedTerminal, ok bool) {
	major, minor := s.tty>>8&0xfff, s.tty&0xff|s.tty>>12&^0xff
	if major != pseudoMajor || s.session != s.pid || s.ended() || contained(s.pid) {
		return t, false
	}
	return LedTerminal{Line: "pts/" + strconv.Itoa(int(minor)), Leader: session.ID{PID: s.pid, Start: s.start}, SSHD: s.sshd}, true
}

// LedBelow returns those terminals of [LedTerminals] that sshd has made for sessions with these
// leaders: their children lead them, or children of such a child that is sshd too. It reads
// some files for each leader, 8 µs for each. Of the ancestors it names those up to the session's
// leader. It may miss some while processes end, and reports false if the kernel does not list
// children.
//
// Source: proc_tid_children(5).
func LedBelow(leaders []int32) (led []LedTerminal, ok bool) {
	for _, pid := range leaders {
		leader, err := readStat(pid)
		if err != nil || !leader.sshd {
			continue
		}
		children, err := listed(pid)
		if err != nil {
			return led, false
		}
		for _, child := range children {
			led = ledBy(led, child, []Ancestor{{pid, true}})
		}
	}
	return led, true
}

// ledBy appends the terminal that a process leads or, if it is sshd, those of its children.
func ledBy(led []LedTerminal, pid int32, above []Ancestor) []LedTerminal {
	s, err := readStat(pid)
	if err != nil || s.parent != above[0].PID {
		return led
	}
	if t, ok := s.leads(); ok {
		t.Above = above
		led = append(led, t)
	}
	if !s.sshd || len(above) > 1 {
		return led
	}
	children, _ := listed(pid)
	for _, child := range children {
		led = ledBy(led, child, []Ancestor{{pid, true}, above[0]})
	}
	return led
}

// listed returns the children of a process's first thread, as sshd has no other: several
// hundred at most, and sshd has one for each channel.
func listed(pid int32) (children []int32, err error) {
	name := strconv.Itoa(int(pid))
	var buf [4 << 10]byte
	n, err := readFile("/proc/"+name+"/task/"+name+"/children", buf[:])
	if err != nil {
		return nil, err
	}
	for word := range bytes.FieldsSeq(buf[:n]) {
		if child, ok := number(word); ok {
			children = append(children, int32(child))
		}
	}
	return children, nil
}
