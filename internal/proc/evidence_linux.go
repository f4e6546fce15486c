// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

const (
	// maxCandidates is how many leaders or namesakes are told of one record. An ordinary
	// user can have any number of processes that lead a terminal with its number.
	maxCandidates = 64
	// maxAbove is how many ancestors of a process are told.
	maxAbove = 64
	// maxMounts is how much of a mountinfo file is read.
	maxMounts = 1 << 20
	// maxStatus is how much of a status file is read: 65,536 groups are 11 bytes each.
	maxStatus = 1 << 20
)

// Gather answers questions about sessions, in their order. It blocks for one pass
// over /proc at most, however many there are, and for one each if displays or users
// without processes are asked for. It takes about 1 µs for each process if a terminal
// exists, 8 µs for each that leads a session, and 12 µs for each that no pass has seen before if
// processes of other pid namespaces are asked for.
//
// Source: getsid(2); proc_pid_stat(5); NSpid and Uid in proc_pid_status(5); proc_pid_uid_map(5);
// proc_pid_mountinfo(5).
func Gather(questions []session.Question) []session.Evidence {
	return newGathering(questions).gather(questions)
}

func (g *gathering) gather(questions []session.Question) []session.Evidence {
	if len(g.onTTY) > 0 || len(g.byNumber) > 0 {
		hidden := hidesOthers() // asked before the pass too: hidepid may change while it lasts
		if err := eachProcess(g.look); err != nil || hidden || hidesOthers() || g.numbers.failed {
			g.hide()
		} else if len(g.byNumber) > 0 {
			g.tellNumbers(questions)
		}
		if len(g.byNumber) > 0 {
			g.numbers.keep()
		}
		g.setUsers(questions)
		g.tell(questions)
		g.setAbove()
	}
	gatherDisplays(questions, g.evidence)
	gatherIdle(questions, g.evidence)
	return g.evidence
}

// gathering is one pass over /proc for many questions.
type gathering struct {
	evidence []session.Evidence
	onTTY    map[uint32][]int // questions by the device of their terminal
	devices  map[uint32]uint64
	byNumber map[int32][]int // questions by ut_pid
	leaders  map[uint32][]session.Candidate
	named    map[int32][]session.Candidate
	strange  int // how many leaders are of other user namespaces
	parents  kinship
	leads    func(pid int32) bool
	numbers  *ownNumbers
	uidMap   []byte // of utmpd
}

// kinship has processes whose ancestors are asked for. They are read once.
type kinship map[int32]kin

// kin is who a process's parent is, and when it started itself.
type kin struct {
	parent int32
	start  uint64
}

func (k kinship) add(s stat) { k[s.pid] = kin{s.parent, s.start} }

// of returns the zero kin for a process that is gone.
func (k kinship) of(pid int32) kin {
	if _, known := k[pid]; !known {
		s, _ := readStat(pid)
		k[pid] = kin{s.parent, s.start}
	}
	return k[pid]
}

func newGathering(questions []session.Question) *gathering {
	g := &gathering{
		evidence: make([]session.Evidence, len(questions)),
		onTTY:    map[uint32][]int{}, devices: map[uint32]uint64{}, byNumber: map[int32][]int{},
		leaders: map[uint32][]session.Candidate{}, named: map[int32][]session.Candidate{}, parents: kinship{}, leads: leadership(), numbers: knownNumbers(),
	}
	var names []string
	var of []int
	for i, q := range questions {
		g.evidence[i].Key = q.Key
		if q.Line != "" {
			names, of = append(names, q.Line), append(of, i)
		}
		if q.PID > 0 {
			g.byNumber[q.PID] = append(g.byNumber[q.PID], i)
		}
	}
	for n, t := range lines.look(names) {
		switch e := &g.evidence[of[n]]; {
		case errors.Is(t.err, errNoLine):
		case t.err != nil:
			e.Unsure = t.err.Error()
		default:
			g.onTTY[t.tty] = append(g.onTTY[t.tty], of[n])
			g.devices[t.tty] = uint64(t.st.Dev)
			e.Owner = session.Owner{Known: true, UID: t.st.Uid}
		}
	}
	g.uidMap, _ = os.ReadFile("/proc/self/uid_map")
	return g
}

// setUsers looks up the users of records for which somebody may speak.
func (g *gathering) setUsers(questions []session.Question) {
	users := map[string]session.Owner{}
	set := func(i int) {
		name := questions[i].User
		if _, known := users[name]; !known {
			users[name] = lookUp(name)
		}
		g.evidence[i].User = users[name]
	}
	for tty := range g.leaders {
		for _, i := range g.onTTY[tty] {
			set(i)
		}
	}
	for number := range g.named {
		for _, i := range g.byNumber[number] {
			set(i)
		}
	}
}

// tell gives each question its candidates. If there are too many that may keep its record,
// it cannot be known whether the session lives.
func (g *gathering) tell(questions []session.Question) {
	for tty, all := range g.leaders {
		for _, i := range g.onTTY[tty] {
			e, q, crowded := &g.evidence[i], questions[i], false
			owner := q.Owner
			if !owner.Known {
				owner = e.Owner
			}
			e.Leaders, crowded = choose(all, func(c session.Candidate) bool {
				return g.below(c.ID, q.Own) || !c.Foreign && !c.Elsewhere && session.MayKeep(c.UID, e.User, owner)
			})
			e.Hidden = e.Hidden || crowded
		}
	}
	for number, all := range g.named {
		for _, i := range g.byNumber[number] {
			e, crowded := &g.evidence[i], false
			e.Namesakes, crowded = choose(all, func(c session.Candidate) bool {
				return session.MayKeep(c.UID, e.User, e.Owner)
			})
			e.Blind = e.Blind || crowded
		}
	}
}

// tellNumbers tells the questions that ask for a number which ones there are.
func (g *gathering) tellNumbers(questions []session.Question) {
	all := g.numbers.foreign()
	for i, q := range questions {
		if q.PID > 0 {
			g.evidence[i].Numbers, g.evidence[i].Mark = all, q.Mark
		}
	}
}

// choose returns all if they are few, and else those that matter. crowded says that some
// of these are left out.
func choose(all []session.Candidate, matters func(session.Candidate) bool) (some []session.Candidate, crowded bool) {
	if len(all) <= maxCandidates {
		return slices.Clone(all), false
	}
	for _, c := range all {
		switch {
		case !matters(c):
		case len(some) == maxCandidates:
			return some, true
		default:
			some = append(some, c)
		}
	}
	return some, false
}

// below reports whether a process is that one, or descends from it.
func (g *gathering) below(id, top session.ID) bool {
	for range maxAbove {
		switch {
		case top.PID == 0 || id.PID <= 0:
			return false
		case id.Same(top):
			return true
		}
		id.PID = g.parents.of(id.PID).parent
		id.Start = g.parents.of(id.PID).start
	}
	return false
}

// lookUp returns a user by name. Without cgo, only those in /etc/passwd are known.
func lookUp(name string) session.Owner {
	u, err := user.Lookup(name)
	if err != nil {
		return session.Owner{}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	return session.Owner{Known: err == nil, UID: uint32(uid)}
}

// look takes in one process. It reads no more of it than may matter: most of a pass is
// reading what does not.
func (g *gathering) look(pid int32, inode uint64) {
	named := false
	if len(g.byNumber) > 0 {
		number := g.numbers.of(pid, inode)
		named = number != 0 && len(g.byNumber[number]) > 0
	}
	if !named && (len(g.onTTY) == 0 || !g.leads(pid)) {
		return
	}
	s, err := readStat(pid)
	if g.numbers.note(err) || s.ended() || s.kernelThread() {
		return
	}
	leads := s.session == s.pid && s.tty != 0 && len(g.onTTY[s.tty]) > 0
	if !leads && !named {
		return
	}
	about, err := readStatus(pid)
	if g.numbers.note(err) { // it is gone, or hidden as all others are
		return
	}
	c := session.Candidate{ID: session.ID{PID: s.pid, Start: s.start}, UID: about.uid, Foreign: g.foreign(s.pid)}
	if named {
		g.named[about.number] = append(g.named[about.number], c)
	}
	if leads {
		g.parents.add(s)
		g.addLeader(s, c, about.contained)
	}
}

// addLeader takes in a process that leads a terminal.
func (g *gathering) addLeader(s stat, c session.Candidate, contained bool) {
	if c.Foreign { // whose mounts may be many, as he likes
		g.strange++
	}
	if !c.Foreign || g.strange <= maxCandidates {
		c.Elsewhere = elsewhere(s, contained, g.devices[s.tty])
	}
	g.leaders[s.tty] = append(g.leaders[s.tty], c)
}

// hide notes that others' processes may be missing.
func (g *gathering) hide() {
	for _, all := range g.onTTY {
		for _, i := range all {
			g.evidence[i].Hidden = true
		}
	}
	for _, all := range g.byNumber {
		for _, i := range all {
			g.evidence[i].Blind = true
		}
	}
}

// setAbove tells the ancestors of the leaders.
func (g *gathering) setAbove() {
	for i := range g.evidence {
		for j := range g.evidence[i].Leaders {
			c := &g.evidence[i].Leaders[j]
			pid := g.parents.of(c.ID.PID).parent
			for pid > 0 && len(c.Above) < maxAbove {
				of := g.parents.of(pid)
				c.Above = append(c.Above, session.ID{PID: pid, Start: of.start})
				pid = of.parent
			}
		}
	}
}

// foreign reports whether a process is in another user namespace than utmpd. Its
// numbers then mean what whoever made that namespace wants. A process that cannot be
// looked at is not.
func (g *gathering) foreign(pid int32) bool {
	of, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/uid_map")
	return err == nil && len(g.uidMap) > 0 && !bytes.Equal(of, g.uidMap)
}

// elsewhere reports whether the terminal of a process is not the machine's, though it
// has the same number: it is in a devpts of its own, as a container has one and a
// chroot may.
func elsewhere(s stat, contained bool, device uint64) bool {
	if major := s.tty >> 8 & 0xfff; major < 136 || major > 143 { // not one of devpts
		return false
	}
	its, ok := devpts(s.pid)
	if !ok {
		return contained
	}
	return its != device
}

// devpts returns the device of the devpts that a process has at /dev/pts.
func devpts(pid int32) (device uint64, ok bool) {
	mounts, err := readUpTo("/proc/"+strconv.Itoa(int(pid))+"/mountinfo", maxMounts)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(mounts) {
		f := bytes.Fields(line)
		if len(f) < 5 || string(f[4]) != "/dev/pts" {
			continue
		}
		var major, minor uint32
		if _, err := fmt.Sscanf(string(f[2]), "%d:%d", &major, &minor); err == nil {
			device, ok = unix.Mkdev(major, minor), true // the topmost is the last
		}
	}
	return device, ok
}

// readUpTo reads a file, and no more of it than that.
func readUpTo(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(io.LimitReader(f, limit))
	return b.Bytes(), err
}

// status is what /proc/PID/status tells.
type status struct {
	uid       uint32 // the real one
	contained bool   // in a pid namespace below the one that /proc shows
	number    int32  // in its own pid namespace
}

// readStatus reads /proc/PID/status.
func readStatus(pid int32) (s status, err error) {
	var name [32]byte
	path := append(name[:0], "/proc/"...)
	path = append(strconv.AppendInt(path, int64(pid), 10), "/status"...)
	var buf [4096]byte
	n, err := readFile(string(path), buf[:])
	if err != nil {
		return s, err
	}
	all := buf[:n]
	if n == len(buf) { // the groups of a user may be many, and come before what is looked for
		if all, err = readUpTo(string(path), maxStatus); err != nil {
			return s, err
		}
	}
	err = unix.ESRCH // until a line proves that there was something to be read
	for line := range bytes.Lines(all) {
		if rest, is := bytes.CutPrefix(line, []byte("Uid:")); is {
			if f := bytes.Fields(rest); len(f) > 0 {
				uid, _ := number(f[0])
				s.uid, err = uint32(uid), nil
			}
		}
		if rest, is := bytes.CutPrefix(line, []byte("NSpid:")); is {
			f := bytes.Fields(rest)
			if len(f) > 0 {
				inner, _ := number(f[len(f)-1])
				s.number, s.contained = int32(inner), len(f) > 1
			}
			break
		}
	}
	return s, err
}
