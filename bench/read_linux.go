// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// utilLinux is the contestant of commands that util-linux has, too.
const utilLinux = "util-linux"

// reading is a command that reads a long log.
type reading struct {
	what  string
	args  []string // with the name that utmpctl is called by
	other string   // who is compared with it: cat(1), or the command of that name
	goal  float64  // at most this factor of the other's time; 0: none
	plus  float64  // or at most so many seconds more
}

// readings are what an administrator waits for. FILE is the log.
var readings = []reading{
	{"last, own form", []string{"utmpctl", "last", "-f", "FILE"}, "last", 1.0 / 6, 0},
	{"last, own form, as JSON", []string{"utmpctl", "last", "-f", "FILE", "-json"}, "last", 1.0 / 6, 0},
	{"last, 10 sessions, own form", []string{"utmpctl", "last", "-n", "10", "-f", "FILE"}, "last", 1, 0.01},
	{"last", []string{"last", "-f", "FILE"}, "last", 1.0 / 6, 0},
	{"last, 10 sessions", []string{"last", "-n", "10", "-f", "FILE"}, "last", 1, 0.01},
	{"utmpdump", []string{"utmpdump", "FILE"}, "utmpdump", 1.0 / 4, 0},
	{"who was on", []string{"utmpctl", "who", "-at", "1m", "-f", "FILE"}, "cat", 2, 0},
	{"check", []string{"utmpctl", "check", "FILE"}, "cat", 3, 0},
	{"downtime", []string{"utmpctl", "downtime", "-f", "FILE"}, "cat", 0, 0},
	{"events as JSON", []string{"utmpctl", "events", "-json", "-f", "FILE"}, "cat", 0, 0},
	{"events", []string{"utmpctl", "events", "-f", "FILE"}, "cat", 0, 0},
}

// manyLines is the number of records, and of lines with an open login among them, in a log
// on which util-linux's last takes time in proportion to the lines.
const (
	manyLines        = 3000
	manyLinesRecords = 262_000
)

// read: how long utmpctl takes for a long log in the page cache, beside cat(1) and
// util-linux's programs, if the machine has them; and how much memory.
func (b *bench) read() error {
	name, err := b.history()
	if err != nil {
		return err
	}
	open, err := b.openHistory("open", min(b.log, manyLinesRecords), manyLines)
	if err != nil {
		return err
	}
	defer os.Remove(open)
	if err := cat(name); err != nil { // into the page cache
		return err
	}
	for _, r := range readings {
		if err := b.readBy(r, b.log, name); err != nil {
			return err
		}
	}
	if err := b.readBy(reading{"last, 3,000 open lines", []string{"last", "-f", "FILE"}, "last", 1.0 / 6, 0}, min(b.log, manyLinesRecords), open); err != nil {
		return err
	}
	if err := b.readDistinct(); err != nil {
		return err
	}
	if err := b.iterate(name); err != nil {
		return err
	}
	return b.startTime()
}

// readDistinct measures the memory for a log in which each login is on a line of its own,
// and none ends.
func (b *bench) readDistinct() error {
	name, err := b.openHistory("distinct", b.log, b.log)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	for _, r := range []reading{
		{"last, own form, all lines open", []string{"utmpctl", "last", "-f", "FILE"}, "cat", 0, 0},
		{"events, all lines open", []string{"utmpctl", "events", "-f", "FILE"}, "cat", 0, 0},
	} {
		if err := b.readBy(r, b.log, name); err != nil {
			return err
		}
	}
	return nil
}

// readBy measures one command and who is compared with it, in turns.
func (b *bench) readBy(r reading, n int, name string) error {
	who := floor
	if r.other != "cat" {
		who = utilLinux
	}
	other, missing := exec.LookPath(r.other)
	var g goal
	if r.goal > 0 {
		g = goal{Other: who, Times: r.goal, Plus: r.plus}
	}
	took := b.figure("read", n, r.what, "s", g)
	memory := b.figure("read", n, r.what+": memory", "MB", goal{Most: 64})
	for range b.runs {
		took1, used, err := b.utmpctl(r.args, name)
		if err != nil {
			return err
		}
		took.add(ours, took1)
		memory.add(ours, used)
		if missing == nil {
			args := append([]string{other}, replaced(r.args[1:], name)...)
			if r.other == "cat" {
				args = []string{other, name}
			} else if r.args[0] == "utmpctl" {
				args = append([]string{other}, replaced(r.args[2:], name)...)
				args = slices.DeleteFunc(args, func(a string) bool { return a == "-json" })
			}
			at := time.Now()
			if err := quiet(exec.Command(args[0], args[1:]...)); err != nil {
				return err
			}
			took.add(who, seconds(time.Since(at)))
		}
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// utmpctl runs it under the name in args[0], and returns the seconds and the megabytes that
// it took.
func (b *bench) utmpctl(args []string, name string) (took, used float64, err error) {
	args = replaced(args, name)
	cmd := exec.Command(filepath.Join(filepath.Dir(b.options.utmpd), "utmpctl"), args[1:]...)
	cmd.Args[0] = args[0]
	if err := forgetMemory(); err != nil {
		return 0, 0, err
	}
	at := time.Now()
	if err := quiet(cmd); err != nil {
		return 0, 0, err
	}
	took = seconds(time.Since(at))
	return took, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024, nil
}

// forgetMemory returns unused memory and makes the kernel forget that it was used: the most that
// this process had counts as that of a child.
func forgetMemory() error {
	debug.FreeOSMemory()
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

func replaced(args []string, name string) []string {
	var all []string
	for _, a := range args {
		if a == "FILE" {
			a = name
		}
		all = append(all, a)
	}
	return all
}

// quiet runs a command whose output goes to /dev/null. Exit status 1 means that it found
// something.
func quiet(cmd *exec.Cmd) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = null, &stderr
	err = cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 1 && cmd.Args[1] == "check" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, stderr.String())
	}
	return nil
}

// startTime measures how long utmpctl takes to start.
func (b *bench) startTime() error {
	f := b.figure("read", 0, "start of utmpctl", "s", goal{Most: 0.01})
	for range b.runs {
		took, _, err := b.utmpctl([]string{"utmpctl", "-version"}, "")
		if err != nil {
			return err
		}
		f.add(ours, took)
	}
	return nil
}

// openHistory creates a log of so many records in which every line has a login that is open
// for long, and returns its name.
func (b *bench) openHistory(base string, records, lines int) (string, error) {
	name := filepath.Join(b.tools.disk, base)
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	record := make([]byte, 0, layout.Size())
	began := time.Now().Add(-time.Hour)
	for i := range records {
		r := utmpx.Record{
			Type: utmpx.UserProcess, PID: int32(1000 + i%30000), Line: fmt.Sprintf("pts/%d", i%lines),
			ID: "h", User: "alice", Host: "desk.example.org", Time: utmpx.TimeOf(began.Add(time.Duration(i) * time.Millisecond)),
		}
		if i/lines%2 == 1 {
			r.Type, r.User = utmpx.DeadProcess, ""
		}
		if record, err = layout.AppendEncode(record[:0], r); err != nil {
			return "", err
		}
		if _, err := w.Write(record); err != nil {
			return "", err
		}
	}
	return name, w.Flush()
}
