// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"strconv"
	"strings"

	"utmpd.dev/utmpd/internal/session"
)

const (
	// maxWalks is how many records' descendants are looked for one by one. Beyond it
	// a pass over /proc is cheaper.
	maxWalks = 16
	// maxWalk is how many descendants of one process are looked at.
	maxWalk = 64
)

// Look is [LookHeld] with no terminal held.
func Look(sights []session.Sight) []session.Sighting {
	return LookHeld(sights, make([]*Terminal, len(sights)))
}

// LookHeld reports of records just seen, in their order, who leads their lines as seen
// from their processes. held has the terminals of these lines, nil for those that are not
// held: what is in view is not looked up again. Of a few records it looks at the processes
// themselves, their ancestors and their first descendants, some 10 µs for each. If the
// descendants of many are asked for, it makes one pass over /proc instead, about 1 µs for
// each process of the machine and 8 µs for each that leads a session.
//
// Source: proc_pid_stat(5), proc_tid_children(5).
func LookHeld(sights []session.Sight, held []*Terminal) []session.Sighting {
	seen := make([]session.Sighting, len(sights))
	var below []descent
	for i, t := range terminalsOf(sights, held) {
		q, tty := sights[i], t.tty
		seen[i].Key = q.Key
		if t.err != nil {
			continue
		}
		seen[i].Owner = session.Owner{Known: true, UID: t.st.Uid}
		s, err := readStat(q.ID.PID)
		switch {
		case err != nil || s.ended() || !q.ID.Same(s.id()):
		case q.Led:
			seen[i].Leads = s.session == s.pid && s.tty == tty && !elsewhere(s, contained(s.pid), uint64(t.st.Dev))
		case s.session == s.pid && s.tty == tty:
			seen[i].Leader = s.id()
		default:
			seen[i].Outer = ancestorOn(tty, s)
			if s.tty != tty {
				below = append(below, descent{i, s.pid, tty})
			}
		}
	}
	find := walk
	if len(below) > maxWalks {
		find = newTree().find
	}
	for _, d := range below {
		seen[d.sight].Leader = find(d.pid, d.tty)
	}
	return seen
}

// terminalsOf returns the terminal of each line.
func terminalsOf(sights []session.Sight, held []*Terminal) []terminal {
	found := make([]terminal, len(sights))
	var names []string
	var of []int
	for i, q := range sights {
		if t := held[i]; t != nil {
			if found[i] = t.now(); found[i].err == nil {
				continue
			}
		}
		names, of = append(names, q.Line), append(of, i)
	}
	for n, t := range lines.look(names) {
		found[of[n]] = t
	}
	return found
}

// descent is the search for a leader below a process.
type descent struct {
	sight int
	pid   int32
	tty   uint32
}

func (s stat) id() session.ID { return session.ID{PID: s.pid, Start: s.start} }

// ancestorOn returns the ancestor of a process that leads a terminal.
func ancestorOn(tty uint32, s stat) session.ID {
	for range maxAbove {
		if s.parent <= 0 {
			break
		}
		var err error
		if s, err = readStat(s.parent); err != nil {
			break
		}
		if s.session == s.pid && s.tty == tty {
			return s.id()
		}
	}
	return session.ID{}
}

// walk looks for the leader of a terminal among the descendants of a process, the
// nearest first.
func walk(pid int32, tty uint32) session.ID {
	level := []int32{pid}
	for n := 0; len(level) > 0 && n < maxWalk; n++ {
		children := childrenOf(level[0])
		level = level[1:]
		for _, child := range children {
			if n++; n > maxWalk {
				break
			}
			s, err := readStat(child)
			if err == nil && !s.ended() && s.session == s.pid && s.tty == tty {
				return s.id()
			}
		}
		level = append(level, children...)
	}
	return session.ID{}
}

// childrenOf returns the children of a process. It returns none if the kernel was built
// without that file.
func childrenOf(pid int32) (children []int32) {
	tasks := "/proc/" + strconv.Itoa(int(pid)) + "/task"
	dir, err := os.Open(tasks)
	if err != nil {
		return nil
	}
	defer dir.Close()
	threads, _ := dir.Readdirnames(maxWalk)
	for _, thread := range threads {
		text, _ := readUpTo(tasks+"/"+thread+"/children", 16<<10)
		for word := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.ParseInt(word, 10, 32); err == nil {
				children = append(children, int32(n))
			}
		}
	}
	return children
}

// tree is who leads which terminal, and whose child is who.
type tree struct {
	parents kinship
	leaders map[uint32][]session.ID
}

func newTree() tree {
	t := tree{kinship{}, map[uint32][]session.ID{}}
	_ = eachLeader(func(s stat) {
		t.parents.add(s)
		if s.session == s.pid && s.tty != 0 && !s.ended() {
			t.leaders[s.tty] = append(t.leaders[s.tty], s.id())
		}
	})
	return t
}

// find looks for the leader of a terminal among the descendants of a process.
func (t tree) find(pid int32, tty uint32) session.ID {
	for _, id := range t.leaders[tty] {
		at := t.parents.of(id.PID).parent
		for n := 0; at > 0 && n < maxAbove; n++ {
			if at == pid {
				return id
			}
			at = t.parents.of(at).parent
		}
	}
	return session.ID{}
}
