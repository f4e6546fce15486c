// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// cgroup is a control group of this test alone.
type cgroup struct{ dir string }

// newCgroup makes a group in a hierarchy: "" is cgroup v2, another name a controller of
// cgroup v1. It returns nil if this machine has no such hierarchy.
func newCgroup(t *testing.T, controller string) *cgroup {
	t.Helper()
	at := "/cgroup-" + controller
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	kind := "cgroup2"
	if controller != "" {
		kind = "cgroup"
	}
	if err := unix.Mount("none", at, kind, 0, controller); err != nil {
		t.Logf("no %s %s: %v", kind, controller, err)
		return nil
	}
	c := &cgroup{fmt.Sprintf("%s/utmpd-test-%d", at, time.Now().UnixNano())}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after that of the daemon in it
		waitFor(t, generous, "the control group to be empty", func() bool { return os.Remove(c.dir) == nil })
	})
	return c
}

func (c *cgroup) set(t *testing.T, file, value string) {
	t.Helper()
	if err := os.WriteFile(c.dir+"/"+file, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func (c *cgroup) has(t *testing.T, file, text string) bool {
	t.Helper()
	return strings.Contains("\n"+string(readFile(t, c.dir+"/"+file)), "\n"+text+"\n")
}

// take moves a process into the group.
func (c *cgroup) take(t *testing.T, pid int) {
	t.Helper()
	c.set(t, "cgroup.procs", fmt.Sprint(pid))
}

// TestFrozenByCgroup: sessions die while utmpd's control group is frozen, as by a container
// runtime or before a snapshot. It does not call those times exact, and loses none.
func TestFrozenByCgroup(t *testing.T) {
	parallel(t)
	for _, c := range []struct {
		name, controller string
		file, freeze     string // what freezes, and
		says, frozen     string // where that is seen
		thaw             string
	}{
		{"v2", "", "cgroup.freeze", "1", "cgroup.events", "frozen 1", "0"},
		{"v1", "freezer", "freezer.state", "FROZEN", "freezer.state", "FROZEN", "THAWED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			group := newCgroup(t, c.controller)
			if group == nil {
				t.Skip("this machine has no such hierarchy")
			}
			d := startUtmpd(t)
			group.take(t, d.cmd.Process.Pid)
			t.Cleanup(func() { group.set(t, c.file, c.thaw) }) // v1 keeps even what was killed
			away(t, d, func() {
				group.set(t, c.file, c.freeze)
				waitFor(t, generous, "utmpd to be frozen", func() bool { return group.has(t, c.says, c.frozen) })
			}, func() bool { return group.has(t, c.says, c.frozen) }, func() { group.set(t, c.file, c.thaw) })
		})
	}
}

// memoryGroup makes a group with a limit of memory.
func memoryGroup(t *testing.T, limit int) *cgroup {
	t.Helper()
	if c := newCgroup(t, ""); c != nil {
		if _, err := os.Stat(c.dir + "/memory.max"); err == nil {
			c.set(t, "memory.max", fmt.Sprint(limit))
			return c
		}
	}
	c := newCgroup(t, "memory")
	if c == nil {
		t.Fatal("this machine limits no memory by control groups")
	}
	c.set(t, "memory.limit_in_bytes", fmt.Sprint(limit))
	return c
}

// TestMemoryMax: utmpd's memory is limited, as by MemoryMax=. A flood of made-up records
// needs more, and the kernel kills it, again and again. Once the flood is over, the next
// one does what is left to do.
func TestMemoryMax(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	group := memoryGroup(t, 24<<20)
	p := &pair{d: startUtmpd(t)}
	group.take(t, p.d.cmd.Process.Pid)
	p.sessions(t)
	size := len(readFile(t, utmpFile))
	var flood []byte
	for i := range 60_000 {
		flood = append(flood, encode(t, utmpx.Record{
			Type: utmpx.UserProcess, PID: p.lives.entry.PID, Line: fmt.Sprintf("m/%d", i), User: fmt.Sprintf("u%d", i),
			Host: strings.Repeat("h", 200), Time: utmpx.TimeOf(time.Now()),
		})...)
	}
	write(t, utmpFile, -1, flood)
	select {
	case <-p.d.done:
	case <-time.After(generous):
		t.Fatalf("utmpd has %d kB", field(t, p.d.cmd.Process.Pid, "VmRSS"))
	}
	mustBeKilled(t, p.d.cmd, p.d.logged())
	died := p.dies.kill(t)
	for range 3 { // as systemd does
		cmd := exec.Command("sh", "-c", `echo $$ >"$0" && exec "$1" -foreground -config "$2"`, group.dir+"/cgroup.procs", utmpdBinary, configFile)
		out, _ := cmd.CombinedOutput()
		mustBeKilled(t, cmd, string(out))
		p.lives.mustStand(t)
	}
	if err := os.Truncate(utmpFile, int64(size)); err != nil {
		t.Fatal(err)
	}
	p.d = startUtmpdAs(t, nil)
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, p.dies.entry.Line) })
	died.to = time.Now()
	p.mustHold(t, died)
}

func mustBeKilled(t *testing.T, cmd *exec.Cmd, log string) {
	t.Helper()
	if st := cmd.ProcessState.Sys().(syscall.WaitStatus); !st.Signaled() || st.Signal() != syscall.SIGKILL {
		t.Fatalf("utmpd ended: %v\n%s", cmd.ProcessState, log)
	}
}
