// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

var layout = utmpx.Native()

// place is the files of one contestant in one run.
type place struct {
	ram, disk                string // directories
	utmp, wtmp, pipe, config string
	view                     []byte  // the current utmp, mapped
	lines                    int     // records in utmp
	logged                   int64   // bytes in wtmp at the start
	bus                      *login1 // the system bus that utmpd sees; nil: the machine's
	notify                   string  // the socket that is told when utmpd is ready; none if empty
}

// newPlace writes the files: a boot record, then a session for each pid, from slot 1 on.
// extra keys are added to the configuration, and history is appended to wtmp.
func (b *bench) newPlace(pids []int, history string, keys ...string) (*place, error) {
	p := &place{lines: len(pids) + 1}
	var err error
	if p.ram, err = os.MkdirTemp(b.tools.ram, ""); err != nil {
		return nil, err
	}
	if p.disk, err = os.MkdirTemp(b.tools.disk, ""); err != nil {
		return nil, err
	}
	p.utmp, p.wtmp = filepath.Join(p.ram, "utmp"), filepath.Join(p.disk, "wtmp")
	p.pipe, p.config = filepath.Join(p.ram, "pipe"), filepath.Join(p.ram, "config")
	data := logins(pids)
	if err := os.WriteFile(p.utmp, data, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.wtmp, data, 0o644); err != nil {
		return nil, err
	}
	if history != "" {
		if out, err := exec.Command("/bin/sh", "-c", `cat "$0" >>"$1"`, history, p.wtmp).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, out)
		}
	}
	st, err := os.Stat(p.wtmp)
	if err != nil {
		return nil, err
	}
	p.logged = st.Size()
	keys = append(keys, "UTMPX_FILE="+p.utmp, "WTMPX_FILE="+p.wtmp, "PIPE_FILE="+p.pipe,
		"RUN_DIR="+p.ram+"/run", "STATE_DIR="+p.disk+"/state", fmt.Sprint("MAX_FDS=", len(pids)+100))
	if err := os.WriteFile(p.config, []byte(strings.Join(keys, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	return p, p.open()
}

// open maps utmp, so that reading it needs no system call.
func (p *place) open() error {
	f, err := os.Open(p.utmp)
	if err != nil {
		return err
	}
	defer f.Close()
	p.view, err = unix.Mmap(int(f.Fd()), 0, p.lines*layout.Size(), unix.PROT_READ, unix.MAP_SHARED)
	return err
}

func (p *place) close() {
	_ = unix.Munmap(p.view)
	os.RemoveAll(p.ram)
	os.RemoveAll(p.disk)
}

// marked reports whether the record in a slot is a DEAD_PROCESS.
func (p *place) marked(slot int) bool {
	off := slot * layout.Size()
	return layout.Decode(string(p.view[off:off+layout.Size()])).Type == utmpx.DeadProcess
}

// appended returns how many records were added to wtmp.
func (p *place) appended() int {
	var st unix.Stat_t
	if unix.Stat(p.wtmp, &st) != nil {
		return 0
	}
	return int(st.Size-p.logged) / layout.Size()
}

// allDone returns a function that reports whether all sessions are marked in utmp
// and have their logout in wtmp.
func (p *place) allDone() func() bool {
	slot := 1
	return func() bool {
		for slot < p.lines && p.marked(slot) {
			slot++
		}
		return slot == p.lines && p.appended() >= p.lines-1
	}
}

// logins are the records of a boot and of a session for each pid.
func logins(pids []int) []byte {
	size := layout.Size()
	data := make([]byte, 0, (len(pids)+1)*size)
	now := time.Now()
	data, err := layout.AppendEncode(data, utmpx.Record{
		Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Time: utmpx.TimeOf(now.Add(-clock(unix.CLOCK_BOOTTIME))),
	})
	must(err)
	for i, pid := range pids {
		data, err = layout.AppendEncode(data, utmpx.Record{
			Type: utmpx.UserProcess, PID: int32(pid), Line: fmt.Sprintf("pts/1%05d", i), ID: strconv.FormatInt(int64(i), 36),
			User: "alice", Host: "desk.example.org", Time: utmpx.TimeOf(now),
		})
		must(err)
	}
	return data
}

// must panics on an error that does not depend on any input.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// crowd is a number of processes that do nothing.
type crowd struct {
	cmd   *exec.Cmd
	pids  []int // the living ones
	group int   // their process group
}

// newCrowd starts n processes.
func (b *bench) newCrowd(n int) (*crowd, error) {
	c := &crowd{cmd: exec.Command(b.tools.crowd, strconv.Itoa(n))}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(pipe); lines.Scan() && lines.Text() != "alive"; {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil { // the program has ended, and its children end too
			c.cmd.Wait()
			return nil, fmt.Errorf("%d sessions: %s (kernel.pid_max is %d)", n, lines.Text(), sysctl("kernel/pid_max"))
		}
		c.pids = append(c.pids, pid)
	}
	if len(c.pids) > 0 {
		c.group = c.pids[0]
	}
	if len(c.pids) != n {
		c.close()
		return nil, errors.New("the sessions' processes did not start")
	}
	return c, nil
}

// killOne kills the process that started last.
func (c *crowd) killOne() error {
	last := len(c.pids) - 1
	pid := c.pids[last]
	c.pids = c.pids[:last]
	return unix.Kill(pid, unix.SIGKILL)
}

// killAll kills all of them with one call.
func (c *crowd) killAll() error { return unix.Kill(-c.group, unix.SIGKILL) }

// close ends the crowd program, which first reaps its children.
func (c *crowd) close() {
	if len(c.pids) > 0 {
		_ = c.killAll()
	} else {
		c.cmd.Process.Kill()
	}
	c.cmd.Wait()
}
