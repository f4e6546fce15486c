// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// TestOwnNumbers: a process is read once, and again only if its directory has another inode or
// none that is known.
func TestOwnNumbers(t *testing.T) {
	var read []int32
	n := &ownNumbers{read: func(pid int32) (status, error) {
		read = append(read, pid)
		if pid > 90 {
			return status{}, unix.ENOENT
		}
		return status{contained: pid%2 == 1, number: pid / 10}, nil
	}}
	type process struct {
		pid   int32
		inode uint64
	}
	for _, pass := range []struct {
		name string
		all  []process
		read []int32 // these are
		want []int32
	}{
		{"the first", []process{{10, 5}, {21, 6}, {33, 1}, {95, 8}}, []int32{10, 21, 33, 95}, []int32{0, 2, 3, 0}},
		{"the same", []process{{10, 5}, {21, 6}, {33, 1}, {95, 8}}, []int32{33, 95}, []int32{0, 2, 3, 0}},
		{"a pid in use again, a new process, one gone", []process{{10, 5}, {15, 9}, {21, 7}}, []int32{15, 21}, []int32{0, 1, 2}},
		{"not in order", []process{{21, 7}, {10, 5}, {15, 9}}, []int32{10, 15}, []int32{2, 0, 1}},
	} {
		read = nil
		var got []int32
		for _, p := range pass.all {
			got = append(got, n.of(p.pid, p.inode))
		}
		if !slices.Equal(read, pass.read) || !slices.Equal(got, pass.want) {
			t.Errorf("%s: read %v, numbers %v; want %v, %v", pass.name, read, got, pass.read, pass.want)
		}
		n.before, n.now = n.now, nil
	}
}

// TestNamesakesAgain: a second pass tells the same, and reads no process that the first one
// read.
func TestNamesakesAgain(t *testing.T) {
	c := start(t, "exit:0", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}
	})
	for pass := range 2 {
		found := false
		for _, n := range Gather([]session.Question{{PID: 1}})[0].Namesakes {
			found = found || n.ID.PID == c.pid()
		}
		if !found {
			t.Fatalf("pass %d does not tell process %d", pass, c.pid())
		}
	}
	n := knownNumbers()
	n.read = func(pid int32) (status, error) {
		if pid == c.pid() {
			t.Errorf("process %d is read again", pid)
		}
		return status{}, nil
	}
	if err := eachProcess(func(pid int32, inode uint64) { n.of(pid, inode) }); err != nil {
		t.Fatal(err)
	}
}

// TestNumbers: the numbers of a pass are told to those who ask for one, in their order, and to
// nobody if a process could not be read.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error // of reading the last process
		want *session.Numbers
	}{
		{"all are read", nil, &session.Numbers{2, 7, 9}},
		{"one has ended", unix.ESRCH, &session.Numbers{2, 7}},
		{"one may not be read", unix.EACCES, nil},
		{"no descriptor is left", unix.EMFILE, nil},
	} {
		n := &ownNumbers{read: func(pid int32) (status, error) {
			s := status{contained: pid != 20, number: map[int32]int32{10: 7, 20: 1, 30: 2, 40: 7, 50: 9}[pid]}
			if pid == 50 {
				return s, c.err
			}
			return s, nil
		}}
		for _, pid := range []int32{10, 20, 30, 40, 50} {
			n.of(pid, uint64(pid))
		}
		if diff := cmp.Diff(c.want, n.foreign()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestGatherNumbers: whoever asks for a number is told all that there are, and his mark.
func TestGatherNumbers(t *testing.T) {
	start(t, "exit:0", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWPID}
	})
	got := Gather([]session.Question{{Line: "pts/999999"}, {PID: 999_999_999, Mark: 7}})
	if got[0].Numbers != nil {
		t.Errorf("%+v, want no numbers: it did not ask for one", got[0])
	}
	if e := got[1]; e.Numbers == nil || e.Mark != 7 || !e.Numbers.Has(1) || e.Numbers.Has(999_999_999) {
		t.Errorf("%+v, want numbers with 1, and mark 7", e)
	}
}

// TestManyGroups: the groups of a process come before its numbers, and may be many.
func TestManyGroups(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may set groups")
	}
	groups := make([]uint32, 2000)
	for i := range groups {
		groups[i] = uint32(1_000_000_000 + i)
	}
	c := start(t, "exit:0", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Credential: &syscall.Credential{Groups: groups}}
	})
	if s, err := readStatus(c.pid()); err != nil || !s.contained || s.number != 1 {
		t.Errorf("%+v, %v, want number 1 in a namespace of its own", s, err)
	}
	if !contained(c.pid()) {
		t.Error("it counts as one of this namespace")
	}
	if _, err := readStatus(999_999_999); err != unix.ENOENT {
		t.Errorf("of no process: %v, want ENOENT", err)
	}
}

// TestGatherFailed: where a process could not be read although it may be, nobody knows who has
// which number.
func TestGatherFailed(t *testing.T) {
	g := newGathering([]session.Question{{PID: 3}})
	g.numbers = &ownNumbers{read: func(int32) (status, error) { return status{}, unix.EMFILE }}
	if e := g.gather([]session.Question{{PID: 3}}); !e[0].Blind || e[0].Numbers != nil {
		t.Errorf("%+v, want blind", e[0])
	}
}

func BenchmarkNamesakes(b *testing.B) {
	for b.Loop() {
		Gather([]session.Question{{PID: 999_999_999}})
	}
}
