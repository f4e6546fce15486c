// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os/exec"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// TestOwnNumbers: a process is read once, and again only if its directory has another inode or
// none that is known.
func TestOwnNumbers(t *testing.T) {
	var read []int32
	n := &ownNumbers{read: func(pid int32) (status, bool) {
		read = append(read, pid)
		return status{contained: pid%2 == 1, number: pid / 10}, pid < 90
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
	n.read = func(pid int32) (status, bool) {
		if pid == c.pid() {
			t.Errorf("process %d is read again", pid)
		}
		return status{}, true
	}
	if err := eachProcess(func(pid int32, inode uint64) { n.of(pid, inode) }); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkNamesakes(b *testing.B) {
	for b.Loop() {
		Gather([]session.Question{{PID: 999_999_999}})
	}
}
