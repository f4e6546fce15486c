// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// countMachines are the machines on which instructions are counted.
var countMachines = []struct{ goarch, emulator, layout string }{
	{"amd64", "qemu-x86_64-static", "glibc-384-le"},
	{"arm64", "qemu-aarch64-static", "glibc-400-le"},
	{"arm", "qemu-arm-static", "glibc-384-le"},
}

const (
	// countSize is the number of sessions, or of stale records.
	countSize = 100
	// countQuiet is how long an emulated program does nothing before its event counts as over:
	// more than what utmpd puts off.
	countQuiet = 2500 * time.Millisecond
)

// counted is a running program whose emulator tells each block of instructions that it executes,
// and the thread. Thread 1 is the monitor of Go's runtime, which
// works by the clock; as the emulator is a thousand times slower, it is counted apart.
type counted struct {
	r             *running
	p             *place
	main, monitor atomic.Int64
	before        [2]int64
	ended         chan struct{} // closed when it has ended and all lines are counted
}

// counting counts on all machines, and prints a table.
func counting(o options, stdout, stderr io.Writer) error {
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{options: o, ctx: ctx, progress: stderr}
	if err := b.prepare(); err != nil {
		return err
	}
	defer b.tools.close()
	err := b.countAll(o.emulators, o.programs)
	table := countTable(b.figures)
	fmt.Fprint(stdout, table)
	if o.md != "" && err == nil {
		err = os.WriteFile(o.md, []byte(table), 0o644)
	}
	return err
}

// countAll: the instructions of utmpd and of the floor, in user mode, on several machines with one
// processor. ROOT has the emulators of Debian's qemu-user-static. In DIR is each program built
// for each machine, PROGRAM-GOARCH, and the loop that checks the count.
func (b *bench) countAll(root, dir string) error {
	if err := b.checkCount(root, dir); err != nil {
		return err
	}
	for _, m := range countMachines {
		var err error
		if layout, err = utmpx.ByName(m.layout); err != nil {
			return err
		}
		for _, program := range []string{ours, floor} {
			command := emulated(root, m.emulator, filepath.Join(dir, program+"-"+m.goarch))
			if err := b.countEvents(m.goarch, program, command); err != nil {
				return fmt.Errorf("%s of %s: %w", program, m.goarch, err)
			}
		}
		b.say("%s is counted", m.goarch)
	}
	return nil
}

// emulated is the command that runs a program with one processor, and writes what it executes to
// descriptor 3.
func emulated(root, emulator, program string) []string {
	return []string{"taskset", "-c", "0", filepath.Join(root, "usr/bin", emulator), "-d", "in_asm,nochain,exec", "-D", "/proc/self/fd/3", program}
}

// checkCount compares the counts of a loop of some length and of twice that length: their
// difference is what the loop executes.
func (b *bench) checkCount(root, dir string) error {
	const loops = 200_000
	for _, m := range countMachines {
		var took [2]int64
		for i := range took {
			command := emulated(root, m.emulator, filepath.Join(dir, "loop-"+m.goarch))
			c, err := b.startCounted(nil, "loop", append(command, strconv.Itoa((i+1)*loops)))
			if err != nil {
				return err
			}
			c.r.cmd.Wait()
			<-c.ended
			took[i] = c.main.Load()
		}
		b.figure("count", loops, "once through a loop of three", m.goarch, goal{}).add(ours, float64(took[1]-took[0])/loops)
	}
	return nil
}

// countEvents counts starts, then logins and deaths, then a minute.
func (b *bench) countEvents(goarch, program string, command []string) error {
	figure := func(what string) *figure { return b.figure("count", countSize, what, goarch, goal{}) }
	stale := make([]int, countSize)
	for i := range stale {
		stale[i] = sysctl("kernel/pid_max") + 1 + i
	}
	for _, s := range []struct {
		what string
		pids []int
	}{{"start without a session", nil}, {"start with 100 stale records", stale}} {
		f := figure(s.what)
		for range b.runs {
			c, err := b.emulate(s.pids, program, command, keys)
			if err != nil {
				return err
			}
			c.p.close()
			c.r.stop()
			f.add(program, float64(c.main.Load()))
		}
	}
	if err := b.countSession(figure, program, command); err != nil || program == floor {
		return err
	}
	c, err := b.emulate(nil, program, command, []string{"LOGIND=no"})
	if err != nil {
		return err
	}
	defer c.stop()
	c.mark()
	if err := b.wait(b.idle); err != nil {
		return err
	}
	idle, monitor := c.since()
	figure("a minute at rest, with a heartbeat").add(program, float64(idle))
	figure("Go's monitor in it").add(program, float64(monitor))
	return nil
}

// countSession counts a login and a death beside others.
func (b *bench) countSession(figure func(string) *figure, program string, command []string) error {
	crowd, err := b.newCrowd(countSize + b.runs)
	if err != nil {
		return err
	}
	defer crowd.close()
	fresh := slices.Clone(crowd.pids[:b.runs])
	c, err := b.emulate(crowd.pids[b.runs:], program, command, keys)
	if err != nil {
		return err
	}
	defer c.stop()
	death, login := figure("a death"), figure("a login")
	for i := range b.runs {
		slot := countSize - i
		c.mark()
		if err := crowd.killOne(); err != nil {
			return err
		}
		if err := c.r.await(time.Millisecond, func() bool { return c.p.marked(slot) }); err != nil {
			return err
		}
		if err := b.settled(c); err != nil {
			return err
		}
		n, _ := c.since()
		death.add(program, float64(n))
		if program == floor { // which does not notice logins
			continue
		}
		c.mark()
		if err := c.p.login(slot, fresh[i]); err != nil {
			return err
		}
		if err := b.settled(c); err != nil {
			return err
		}
		n, _ = c.since()
		login.add(program, float64(n))
	}
	return nil
}

// emulate starts a program on files of its own, and returns when it is idle.
func (b *bench) emulate(pids []int, program string, command, keys []string) (*counted, error) {
	p, err := b.newPlace(pids, "", keys...)
	if err != nil {
		return nil, err
	}
	if program == ours {
		command = append(slices.Clone(command), "-foreground", "-config", p.config)
	} else {
		command = append(slices.Clone(command), "-sync", p.utmp, p.wtmp)
	}
	c, err := b.startCounted(p, program, command)
	if err != nil {
		p.close()
		return nil, err
	}
	if err := b.settled(c); err != nil {
		text, _ := os.ReadFile(filepath.Join(p.ram, program+".log"))
		c.stop()
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return c, nil
}

func (b *bench) startCounted(p *place, program string, command []string) (*counted, error) {
	if p == nil {
		p = &place{ram: b.tools.ram}
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	_, _ = unix.FcntlInt(in.Fd(), unix.F_SETPIPE_SZ, 1<<20)
	r, err := contestant{program, func(*place) *exec.Cmd {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.ExtraFiles = []*os.File{in}
		// Go interrupts each ten milliseconds what computes, which here are few instructions.
		cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
		return cmd
	}}.start(p)
	if err != nil {
		out.Close()
		return nil, err
	}
	c := &counted{r: r, p: p, ended: make(chan struct{})}
	go c.read(out)
	return c, nil
}

// read counts. The emulator writes each block of instructions once, when it translates it, an
// instruction in each line, and then "Trace THREAD: ... [.../ADDRESS/...]" for each execution.
func (c *counted) read(out *os.File) {
	defer close(c.ended)
	defer out.Close()
	lines := bufio.NewReaderSize(out, 1<<20)
	blocks := map[uint64]int64{} // instructions, by the address of the first
	var first uint64             // of the block that is being read
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case bytes.HasPrefix(line, []byte("IN:")):
			first = 0
		case bytes.HasPrefix(line, []byte("0x")):
			address, rest, _ := bytes.Cut(line[2:], []byte(":"))
			at := hexadecimal(address)
			if first == 0 {
				first = at
				blocks[first] = 0
			}
			if !onlyBytes(rest) {
				blocks[first]++
			}
		case bytes.HasPrefix(line, []byte("Trace ")):
			_, where, _ := bytes.Cut(line, []byte("/"))
			where, _, _ = bytes.Cut(where, []byte("/"))
			n := blocks[hexadecimal(where)]
			if bytes.HasPrefix(line, []byte("Trace 1:")) {
				c.monitor.Add(n)
			} else {
				c.main.Add(n)
			}
		}
	}
}

func hexadecimal(digits []byte) (n uint64) {
	for _, d := range digits {
		n = n<<4 | uint64(d&15+d>>6*9)
	}
	return n
}

// onlyBytes reports whether a line has only bytes, the rest of a long instruction's.
func onlyBytes(line []byte) bool {
	for _, word := range bytes.Fields(line) {
		if len(word) != 2 || len(bytes.Trim(word, "0123456789abcdef")) > 0 {
			return false
		}
	}
	return true
}

// settled waits until the program has executed nothing for a while.
func (b *bench) settled(c *counted) error {
	last, at := c.main.Load(), time.Now()
	for time.Since(at) < countQuiet || last == 0 {
		if err := b.wait(20 * time.Millisecond); err != nil {
			return err
		}
		if err := c.r.alive(); err != nil {
			return err
		}
		if n := c.main.Load(); n != last {
			last, at = n, time.Now()
		}
	}
	c.r.at = time.Now()
	return nil
}

func (c *counted) mark() { c.before = [2]int64{c.main.Load(), c.monitor.Load()} }

func (c *counted) since() (program, monitor int64) {
	return c.main.Load() - c.before[0], c.monitor.Load() - c.before[1]
}

func (c *counted) stop() {
	c.r.stop()
	c.p.close()
}

// countTable is a table in Markdown: an event in each row, a machine in each column.
func countTable(figures []*figure) string {
	var rows []string
	cells := map[[2]string]string{} // the unit is the machine
	for _, f := range figures {
		if !slices.Contains(rows, f.What) {
			rows = append(rows, f.What)
		}
		key := [2]string{f.What, f.Unit}
		if v := f.Runs[ours]; len(v) > 0 {
			cells[key] += thousands(median(v))
		}
		if v := f.Runs[floor]; len(v) > 0 {
			cells[key] += " (" + thousands(median(v)) + ")"
		}
	}
	var s strings.Builder
	s.WriteString("| instructions |")
	for _, m := range countMachines {
		s.WriteString(" " + m.goarch + " |")
	}
	s.WriteString("\n|---|" + strings.Repeat("---|", len(countMachines)) + "\n")
	for _, row := range rows {
		s.WriteString("| " + row + " |")
		for _, m := range countMachines {
			s.WriteString(" " + cells[[2]string{row, m.goarch}] + " |")
		}
		s.WriteString("\n")
	}
	return s.String()
}

// thousands formats a count: what is large in thousands.
func thousands(v float64) string {
	if v < 10_000 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprintf("%.0f k", v/1000)
}
