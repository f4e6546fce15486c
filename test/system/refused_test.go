// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusedEnv makes the test binary execute another program with some system calls
// denied, as on an older kernel. Its value holds the refusals.
const refusedEnv = "UTMPD_SYSTEM_REFUSED"

// refusal is a range of system calls that fail.
type refusal struct {
	First, Last uint32
	Ioctl       uint16 // if not 0, only ioctl(2) with this number, the lower half of the command
	Errno       syscall.Errno
}

// execRefused executes the program given by the arguments, with the system calls of
// refusedEnv denied.
func execRefused() {
	var refused []refusal
	err := json.Unmarshal([]byte(os.Getenv(refusedEnv)), &refused)
	if err == nil {
		os.Unsetenv(refusedEnv)
		runtime.LockOSThread() // a filter belongs to the thread and to what it executes
		if os.Getuid() != 0 {
			_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) // without which only root may
		}
		err = install(filter(refused))
	}
	if err == nil {
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "refuse calls:", err)
	os.Exit(1)
}

// filter returns the BPF program for seccomp(2).
func filter(refused []refusal) []unix.SockFilter {
	const (
		callNumber = 0  // offset in struct seccomp_data
		secondArg  = 24 // offset of its lower half
		load       = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jump       = unix.BPF_JMP | unix.BPF_K
	)
	var program []unix.SockFilter
	for _, r := range refused {
		rule := []unix.SockFilter{
			{Code: load, K: callNumber},
			{Code: jump | unix.BPF_JGE, K: r.First, Jt: 1},
			{Code: unix.BPF_RET, K: 0}, // replaced by the jump to the next rule
			{Code: jump | unix.BPF_JGT, K: r.Last},
		}
		if r.Ioctl != 0 {
			rule = append(rule,
				unix.SockFilter{Code: load, K: secondArg},
				unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xffff},
				unix.SockFilter{Code: jump | unix.BPF_JEQ, K: uint32(r.Ioctl), Jt: 1},
				unix.SockFilter{Code: jump | unix.BPF_JA, K: 1})
		}
		rule = append(rule, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(r.Errno)})
		rule[2] = unix.SockFilter{Code: jump | unix.BPF_JA, K: uint32(len(rule) - 3)}
		rule[3].Jt = uint8(len(rule) - 4)
		program = append(program, rule...)
	}
	return append(program, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW})
}

func install(program []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// startUtmpdRefused starts the daemon with those system calls denied and with the
// configured keys.
func startUtmpdRefused(t *testing.T, refused []refusal) *utmpd {
	t.Helper()
	return startUtmpdBy(t, refusedCommand(t, refused))
}

func refusedCommand(t *testing.T, refused []refusal) *exec.Cmd {
	t.Helper()
	rules, err := json.Marshal(refused)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testBinary, utmpdBinary, "-foreground", "-config", configFile)
	cmd.Env = append(os.Environ(), refusedEnv+"="+string(rules))
	return cmd
}

// The calls that older kernels lack, with the errors that they return.
var (
	noPidfd     = refusal{First: unix.SYS_PIDFD_OPEN, Last: unix.SYS_PIDFD_OPEN, Errno: unix.ENOSYS}
	pidfdForbid = refusal{First: unix.SYS_PIDFD_OPEN, Last: unix.SYS_PIDFD_OPEN, Errno: unix.EPERM}
	noInfo      = refusal{First: unix.SYS_IOCTL, Last: unix.SYS_IOCTL, Ioctl: unix.PIDFD_GET_INFO & 0xffff, Errno: unix.ENOTTY}
	// A pidfd without a file system of its own. Here the daemon cannot detect
	// that it has one.
	noPidfs    = refusal{First: unix.SYS_FSTATFS, Last: unix.SYS_FSTATFS, Errno: unix.ENOSYS}
	noLandlock = refusal{First: unix.SYS_LANDLOCK_CREATE_RULESET, Last: unix.SYS_LANDLOCK_RESTRICT_SELF, Errno: unix.ENOSYS}
	// From here on, the numbers are the same on every architecture.
	noneSince5 = refusal{First: unix.SYS_PIDFD_SEND_SIGNAL, Last: 1000, Errno: unix.ENOSYS}
)

// TestOlderKernels checks that utmpd does all its work without the features of newer
// kernels, and logs what is missing.
func TestOlderKernels(t *testing.T) {
	const (
		lacksPidfd = "pidfds are not available, polling every process instead"
		lacksInfo  = "learn how processes end"
		lacksInode = "know a process by more than its start time"
	)
	for _, c := range []struct {
		name    string
		refused []refusal
		says    []string
	}{
		{"pidfd_open missing", []refusal{noPidfd}, []string{lacksPidfd, "backend=polling"}},
		{"pidfd_open forbidden", []refusal{pidfdForbid}, []string{lacksPidfd, "backend=polling"}},
		{"PIDFD_GET_INFO missing", []refusal{noInfo}, []string{lacksInfo, "backend=pidfd"}},
		{"pidfs missing", []refusal{noPidfs}, []string{lacksInode, "backend=pidfd"}},
		{"Landlock missing", []refusal{noLandlock}, []string{"landlock: function not implemented", "backend=pidfd"}},
		{"Linux 4.19", []refusal{noneSince5, noInfo, noPidfs}, []string{lacksPidfd, lacksInfo, lacksInode, "landlock: function not implemented"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			configure(t)
			liveOnOldKernel(t, c.refused, c.says)
		})
	}
}

// liveOnOldKernel ends sessions while utmpd watches, and while it is not running.
func liveOnOldKernel(t *testing.T, refused []refusal, says []string) {
	lives, reused, dies := dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3")
	d := startUtmpdRefused(t, refused)
	for _, words := range says {
		d.waitLog(t, words)
	}
	waitFor(t, generous, "the status to show 3 watched sessions", func() bool {
		b, _ := os.ReadFile("/run/utmpd/status")
		return strings.Contains(string(b), "\nwatched: 3\n")
	})
	goes := func(w *dweller) {
		t.Helper()
		died := w.kill(t)
		waitFor(t, generous, "who to stop showing "+w.entry.Line, func() bool { return !whoShows(t, w.entry.Line) })
		if took := time.Since(died.from); took < grace {
			t.Errorf("%s was cleaned %v after its death, within its grace", w.entry.Line, took)
		}
		// When processes are checked once a second, the time is that late.
		died.to = died.to.Add(time.Second)
		w.mustGo(t, died)
	}
	goes(dies)
	if event := d.waitLog(t, "session ended", "line=x/3"); !strings.Contains(event, "exit=unknown") && !strings.Contains(event, `exit="signal KILL"`) {
		t.Errorf("it was killed: %s", event)
	}
	lives.mustStand(t)
	reused.mustStand(t)

	awaitSaved(t, lives, reused)
	d.kill()
	died := reused.kill(t)
	reincarnate(t, int(reused.entry.PID))
	startUtmpdRefused(t, refused)
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, reused.entry.Line) })
	died.to = time.Now()
	reused.mustGo(t, died)
	lives.mustStand(t)
	goes(lives)
}
