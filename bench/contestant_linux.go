// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// contestant is a program that is measured.
type contestant struct {
	name    string
	command func(p *place) *exec.Cmd
}

const (
	ours      = "utmpd"
	floor     = "floor"
	floorSync = "floor+sync"
	peer      = "peer"
)

// daemons are utmpd and, if there is one, its peer.
func (b *bench) daemons() []contestant {
	list := []contestant{{ours, func(p *place) *exec.Cmd {
		command := []string{b.utmpd, "-foreground", "-config", p.config}
		if p.bus != nil {
			command = besideLogin1(p.bus, command)
		}
		return exec.Command(command[0], command[1:]...)
	}}}
	if b.peer != "" {
		list = append(list, contestant{peer, func(p *place) *exec.Cmd {
			return exec.Command("/bin/sh", "-c", "exec "+strings.NewReplacer(
				"{utmp}", p.utmp, "{wtmp}", p.wtmp, "{pipe}", p.pipe, "{config}", p.config).Replace(b.peer))
		}})
	}
	return list
}

// beside are the daemons and one of the floors.
func (b *bench) beside(which string) []contestant {
	return append(b.daemons(), contestant{which, func(p *place) *exec.Cmd {
		if which == floorSync {
			return exec.Command(b.floor, "-sync", p.utmp, p.wtmp)
		}
		return exec.Command(b.floor, p.utmp, p.wtmp)
	}})
}

// running is a running contestant.
type running struct {
	cmd *exec.Cmd
	pid int
	at  time.Time // the start, or the awaited event
	who string
}

// start starts a contestant, which is killed when this program ends.
func (c contestant) start(p *place) (*running, error) {
	r := &running{cmd: c.command(p), who: c.name}
	out, err := os.OpenFile(filepath.Join(p.ram, c.name+".log"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r.cmd.Stdout, r.cmd.Stderr = out, out
	if p.notify != "" {
		r.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+p.notify)
	}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	r.at = time.Now()
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.pid = r.cmd.Process.Pid
	return r, nil
}

// stop kills the contestant, because its orderly end is not measured.
func (r *running) stop() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

// alive reports whether it is still running.
func (r *running) alive() error {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, r.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err == nil && info.Signo != 0 {
		return fmt.Errorf("%s has ended", r.who)
	}
	return nil
}

// errSlow is the error of a wait that takes too long.
var errSlow = errors.New("not done in time")

// longest is the maximum duration of any wait.
const longest = time.Minute

// await polls with short pauses until done returns true or the contestant ends.
func (r *running) await(pause time.Duration, done func() bool) error {
	for i := 1; !done(); i++ {
		nap(pause)
		if i%256 != 0 {
			continue
		}
		if err := r.alive(); err != nil {
			return err
		}
		if time.Since(r.at) > longest {
			return fmt.Errorf("%s: %w", r.who, errSlow)
		}
	}
	return nil
}

// watches waits until it holds a descriptor for each of n sessions. It has few other
// descriptors, so that they do not affect the result.
func (r *running) watches(n int) error {
	return r.await(50*time.Microsecond, func() bool { return descriptors(r.pid) >= n })
}

// settles waits until it has used no processor time for a while.
func (r *running) settles() error { return settle(r) }

// settle waits until all of them have used no processor time for a while.
func settle(all ...*running) error {
	const quiet = 150 * time.Millisecond
	used := func() (sum time.Duration) {
		for _, r := range all {
			sum += processorTime(r.pid)
		}
		return sum
	}
	last, since := used(), time.Now()
	return all[0].await(5*time.Millisecond, func() bool {
		if now := used(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > quiet
	})
}

// tools are the C programs and the directories.
type tools struct {
	ram, disk    string
	crowd, churn string
	ancestor     string
}

//go:embed c/crowd.c c/churn.c c/ancestor.c c/cron.sh
var sources embed.FS

func newTools(o options) (t tools, err error) {
	if t.ram, err = os.MkdirTemp(o.ram, "utmpd-bench-"); err != nil {
		return t, err
	}
	if t.disk, err = os.MkdirTemp(o.disk, "utmpd-bench-"); err != nil {
		t.close()
		return t, err
	}
	if t.crowd, err = t.compile("crowd", "-static"); err != nil {
		t.crowd, err = t.compile("crowd")
	}
	if err == nil {
		t.churn, err = t.compile("churn")
	}
	if err == nil {
		t.ancestor, err = t.compile("ancestor")
	}
	if err != nil {
		t.close()
	}
	return t, err
}

func (t tools) compile(name string, flags ...string) (string, error) {
	src, err := sources.ReadFile("c/" + name + ".c")
	if err != nil {
		return "", err
	}
	program := filepath.Join(t.disk, name)
	cmd := exec.Command("cc", append([]string{"-O2", "-D_GNU_SOURCE", "-x", "c", "-o", program, "-"}, flags...)...)
	cmd.Stdin = bytes.NewReader(src)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile %s.c: %w\n%s", name, err, out)
	}
	return program, nil
}

func (t tools) close() {
	for _, dir := range []string{t.ram, t.disk} {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
}
