// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// blow is the fault that a call suffers.
type blow int

const (
	killBefore blow = iota
	killAfter
	fail     // return point.errno instead of making the call
	failLong // the same for all later calls until the error is lifted
	hang     // the call does not come back; the end of the process ends it
)

// point is one moment in the daemon's life: the nth call of a kind in a phase.
type point struct {
	phase, kind string
	n           int
	blow        blow
	errno       unix.Errno
}

func (p point) String() string {
	how := [...]string{"before kill", "after kill", "error " + unix.ErrnoName(p.errno), "lasting " + unix.ErrnoName(p.errno), "hang"}[p.blow]
	return fmt.Sprintf("%s/%s/%d/%s", p.phase, p.kind, p.n, how)
}

// at is a kind of call in a phase.
type at struct{ phase, kind string }

// tracer runs one daemon and counts its calls. The phase may change while it runs; read
// the counts when it is done.
type tracer struct {
	dir, conf string // calls count from the opening of conf
	strike    *point // nil: only count

	mu     sync.Mutex
	phase  string
	lifted bool // a lasting error is over
	armed  bool // a call may hang: nobody else needs the locks any more

	pid     int
	mem     *os.File
	epoll   int
	begun   bool
	known   map[int]bool // threads
	leaving map[int]bool // threads whose call is inspected when it returns
	held    int          // the thread whose call hangs; 0: none
	beats   bool         // the first note is written, and the second begins, in its place
	counts  map[at]int
	hit     bool
}

func (tr *tracer) setPhase(phase string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.phase = phase
}

// lift ends a lasting error.
func (tr *tracer) lift() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lifted = true
}

// hangs reports whether a call is to hang.
func (tr *tracer) hangs() bool { return tr.strike != nil && tr.strike.blow == hang }

// arm lets a call hang from now on.
func (tr *tracer) arm() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.armed = true
}

// hanging reports whether it does.
func (tr *tracer) hanging() bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.held != 0
}

// due reports whether to strike at the call just counted.
func (tr *tracer) due(where at, lifted, armed bool) bool {
	p := tr.strike
	switch {
	case p == nil || where.kind != p.kind:
		return false
	case p.blow == failLong && tr.hit:
		return !lifted
	case p.blow == hang:
		return !tr.hit && where.phase == p.phase && armed
	}
	return !tr.hit && where.phase == p.phase && tr.counts[where] == p.n
}

// run starts the program and traces it to its end. started receives its pid, or 0 if
// there is none. run needs a goroutine of its own, whose thread ends with it: only the
// thread that traces a process may wait for it.
func (tr *tracer) run(path string, args []string, env []string, files []*os.File, started chan<- int) (syscall.WaitStatus, error) {
	runtime.LockOSThread()
	p, err := os.StartProcess("/proc/self/exe", args, &os.ProcAttr{
		Env: append(env, launchEnv+"="+path), Files: files, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		started <- 0
		return 0, err
	}
	tr.pid = p.Pid
	_ = p.Release()
	tr.known, tr.leaving, tr.counts = map[int]bool{tr.pid: true}, map[int]bool{}, map[at]int{}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(tr.pid, &ws, syscall.WALL, nil); err != nil || !ws.Stopped() {
		started <- 0
		return ws, fmt.Errorf("the traced program did not stop: %v, %v", err, ws)
	}
	if err := unix.PtraceSetOptions(tr.pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEEXEC|
		unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACESECCOMP|unix.PTRACE_O_EXITKILL); err != nil {
		started <- 0
		return ws, os.NewSyscallError("ptrace", err)
	}
	started <- tr.pid
	_ = unix.PtraceCont(tr.pid, 0)
	return tr.loop()
}

func (tr *tracer) loop() (syscall.WaitStatus, error) {
	defer func() {
		if tr.mem != nil {
			tr.mem.Close()
		}
	}()
	for {
		var ws syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &ws, syscall.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return ws, os.NewSyscallError("wait4", err)
		case ws.Stopped():
			tr.stopped(tid, ws)
		case tid == tr.pid:
			return ws, nil
		}
	}
}

// stopped continues a thread. An error from ptrace means that the thread was killed
// meanwhile, which Wait4 reports next.
func (tr *tracer) stopped(tid int, ws syscall.WaitStatus) {
	signal := 0
	switch event := int(ws) >> 16; {
	case event == unix.PTRACE_EVENT_SECCOMP:
		if tr.entered(tid); tr.held == tid {
			return
		}
	case event == unix.PTRACE_EVENT_EXEC:
		if tr.mem != nil {
			tr.mem.Close()
		}
		tr.mem, _ = os.Open(fmt.Sprintf("/proc/%d/mem", tr.pid))
	case event != 0:
	case ws.StopSignal() == syscall.SIGTRAP|0x80:
		tr.left(tid)
	case ws.StopSignal() == syscall.SIGSTOP && !tr.known[tid]: // the first stop of a new thread
		tr.known[tid] = true
	case ws.StopSignal() != syscall.SIGTRAP:
		signal = int(ws.StopSignal())
	}
	if tr.leaving[tid] {
		_ = unix.PtraceSyscall(tid, signal) // stops again when the call returns
		return
	}
	_ = unix.PtraceCont(tid, signal)
}

// ofNote reports whether a call writes a note. The first belongs to the start, also if the disk is
// so slow that it comes after READY=1, which does not wait for it: where a call was seen once, it
// is planned to fail.
func ofNote(kind string) bool {
	return strings.HasSuffix(kind, " state") || strings.Contains(kind, " state/heartbeat")
}

// entered counts the call that the thread is about to make, and strikes now or at its
// return if it is the planned one.
func (tr *tracer) entered(tid int) {
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	kind := call{pid: tr.pid, regs: &regs, mem: tr.mem, dir: tr.dir, epoll: &tr.epoll}.kind()
	if kind == "" {
		return
	}
	if !tr.begun {
		if kind != "openat "+tr.conf {
			return // the start of the runtime and the libraries
		}
		tr.begun = true
	}
	tr.mu.Lock()
	where, lifted, armed := at{tr.phase, kind}, tr.lifted, tr.armed
	tr.mu.Unlock()
	tr.beats = tr.beats || kind == "openat rdwr state/heartbeat"
	if where.phase == phaseWork && !tr.beats && ofNote(kind) {
		where.phase = phaseStart
	}
	tr.counts[where]++
	if !tr.due(where, lifted, armed) {
		return
	}
	switch p := tr.strike; {
	case p.blow == killBefore:
		tr.kill()
		tr.hit = true
	case p.blow == hang:
		tr.mu.Lock()
		tr.held, tr.hit = tid, true
		tr.mu.Unlock()
	case p.blow == killAfter, regs.Orig_rax == unix.SYS_CLOSE: // close(2) closes even if it returns an error
		tr.leaving[tid] = true
	default:
		regs.Orig_rax = ^uint64(0)
		regs.Rax = uint64(-int64(p.errno))
		tr.hit = unix.PtraceSetRegs(tid, &regs) == nil
	}
}

// left strikes at the return of a call.
func (tr *tracer) left(tid int) {
	if !tr.leaving[tid] {
		return
	}
	delete(tr.leaving, tid)
	if tr.strike.blow == killAfter {
		tr.kill()
		tr.hit = true
		return
	}
	var regs unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &regs) == nil {
		regs.Rax = uint64(-int64(tr.strike.errno))
		tr.hit = unix.PtraceSetRegs(tid, &regs) == nil
	}
}

func (tr *tracer) kill() { _ = unix.Kill(tr.pid, unix.SIGKILL) }
