// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// TestLook: who leads a terminal, as seen from this process, from the leader itself and
// from a child of it. Beyond maxWalks one pass answers the same.
func TestLook(t *testing.T) {
	terminal, line := newTerminal(t)
	c := start(t, "session", onTerminal(terminal))
	leader := session.ID{PID: c.pid(), Start: open(t, c.pid()).ID().Start}
	var member int32
	if !settles(func() bool {
		for _, pid := range childrenOf(leader.PID) {
			member = pid
		}
		return member != 0
	}) {
		t.Fatal("the leader has no child")
	}
	one := []session.Sight{
		{Key: 1, Line: line, ID: session.ID{PID: int32(os.Getpid())}},
		{Key: 2, Line: line, ID: leader},
		{Key: 3, Line: line, ID: session.ID{PID: member}},
		{Key: 4, Line: line, ID: session.ID{PID: member, Start: 1}}, // that had the pid before
		{Key: 5, Line: "pts/999999", ID: leader},
	}
	many := one
	for range maxWalks {
		many = append(many, session.Sight{Key: 1, Line: line, ID: session.ID{PID: int32(os.Getpid())}})
	}
	for name, sights := range map[string][]session.Sight{"one by one": one, "in one pass": many} {
		seen := Look(sights)
		for i, want := range []session.Sighting{{Leader: leader}, {Leader: leader}, {Outer: leader}, {}, {}} {
			got := seen[i]
			if got.Key != sights[i].Key || got.Leader != want.Leader || got.Outer != want.Outer {
				t.Errorf("%s: %d: %+v, want %+v", name, i, got, want)
			}
			if known := i < 4; got.Owner.Known != known || known && got.Owner.UID != uint32(os.Geteuid()) {
				t.Errorf("%s: %d: the terminal's owner is %+v", name, i, got.Owner)
			}
		}
	}
}

// TestLookHeld: a terminal in view is not looked up again, until it is gone.
func TestLookHeld(t *testing.T) {
	terminal, line := newTerminal(t)
	c := start(t, "session", onTerminal(terminal))
	held, err := HoldTerminal(line)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	sights := []session.Sight{{Line: "pts/999999", ID: session.ID{PID: c.pid()}}}
	if seen := LookHeld(sights, []*Terminal{held}); seen[0].Leader.PID != c.pid() || !seen[0].Owner.Known {
		t.Errorf("%+v, want the leader of the terminal in view", seen)
	}
	master, other := openPTY(t)
	gone, err := HoldTerminal(other)
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	master.Close()
	sights[0].Line = line
	if seen := LookHeld(sights, []*Terminal{gone}); seen[0].Leader.PID != c.pid() {
		t.Errorf("%+v, want the leader of the line, whose terminal of before is gone", seen)
	}
}

// TestGather: the leader of a terminal, whose it is, and who is above it.
func TestGather(t *testing.T) {
	terminal, line := newTerminal(t)
	c := start(t, "session", onTerminal(terminal))
	got := Gather([]session.Question{{Key: 9, Line: line, User: "no such user"}})[0]
	// A devpts of somebody else's may have a terminal of that number.
	got.Leaders = slices.DeleteFunc(got.Leaders, func(l session.Candidate) bool { return l.Elsewhere })
	if got.Key != 9 || got.Hidden || got.User.Known || len(got.Leaders) != 1 {
		t.Fatalf("%+v, want one leader", got)
	}
	l := got.Leaders[0]
	self := open(t, int32(os.Getpid())).ID()
	if l.ID.PID != c.pid() || l.UID != uint32(os.Getuid()) || l.Foreign || l.Elsewhere || len(l.Above) == 0 || !l.Above[0].Same(self) {
		t.Errorf("%+v, want the child of %v", l, self)
	}
}

// TestGatherNamesakes: a process is found by the number that it has in a pid namespace of
// its own, and known to be of another user namespace.
func TestGatherNamesakes(t *testing.T) {
	try := command("exit:0")
	try.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}
	if err := try.Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("this test needs user namespaces: %v", err)
		}
		t.Skipf("this test needs user namespaces: %v", err)
	}
	c := start(t, "exit:0", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}
	})
	e := Gather([]session.Question{{PID: 1}, {PID: 999_999_999}})
	found := false
	for _, n := range e[0].Namesakes {
		found = found || n.ID.PID == c.pid() && n.Foreign
	}
	if !found {
		t.Errorf("%+v, want process %d, of another user namespace", e[0], c.pid())
	}
	if len(e[1].Namesakes) != 0 {
		t.Errorf("%+v, want nobody", e[1])
	}
}

// TestElsewhere: a terminal of another devpts is not the line, though it has its number.
func TestElsewhere(t *testing.T) {
	_, line := newTerminal(t)
	var way route
	defer way.end()
	found := findTerminal(&way, line)
	if found.err != nil {
		t.Fatal(found.err)
	}
	s := stat{pid: int32(os.Getpid()), tty: found.tty}
	if elsewhere(s, false, uint64(found.st.Dev)) {
		t.Errorf("%s is elsewhere", line)
	}
	if !elsewhere(s, false, uint64(found.st.Dev)+1) {
		t.Errorf("%s of another devpts is the line", line)
	}
	s.tty = deviceNumber(4, 64) // ttyS0: there is one of it
	if elsewhere(s, true, 0) {
		t.Error("ttyS0 is elsewhere")
	}
}

// TestNobody: PF_KTHREAD alone makes a kernel thread.
func TestNobody(t *testing.T) {
	if (stat{pid: 2}).kernelThread() || !(stat{pid: 77, flags: 0x04208040}).kernelThread() {
		t.Error("a kernel thread is one by its flags")
	}
	if got := open(t, int32(os.Getpid())).Nobody(); got != session.Ourselves {
		t.Errorf("this process is %v", got)
	}
	if got := nobody(1); got != session.Init {
		t.Errorf("process 1 is %v", got)
	}
}

// TestGatherUnsure: a line that is not looked up may be a terminal's.
func TestGatherUnsure(t *testing.T) {
	got := Gather([]session.Question{{Key: 1, Line: "stdin"}, {Key: 2, Line: "pts/999999"}, {Key: 3, Line: "shm/x"}})
	for i, unsure := range []bool{true, false, true} {
		if (got[i].Unsure != "") != unsure {
			t.Errorf("%d: %+v", i, got[i])
		}
	}
}

// TestChoose: somebody has so many processes that the one that matters would be left out.
func TestChoose(t *testing.T) {
	of := func(n int, c session.Candidate) []session.Candidate { return slices.Repeat([]session.Candidate{c}, n) }
	others, own := session.Candidate{UID: 1}, session.Candidate{UID: 2}
	for _, c := range []struct {
		name    string
		all     []session.Candidate
		want    int
		crowded bool
	}{
		{"few", append(of(maxCandidates-1, others), own), maxCandidates, false},
		{"many others", append(of(10*maxCandidates, others), own), 1, false},
		{"many of its own", append(of(10*maxCandidates, others), of(maxCandidates, own)...), maxCandidates, false},
		{"too many of its own", of(maxCandidates+1, own), maxCandidates, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, crowded := choose(c.all, func(c session.Candidate) bool { return c.UID == own.UID })
			if len(got) != c.want || crowded != c.crowded || got[len(got)-1].UID != own.UID {
				t.Errorf("%d, %v, want %d, %v", len(got), crowded, c.want, c.crowded)
			}
		})
	}
}
