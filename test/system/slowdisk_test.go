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
	"unsafe"

	"golang.org/x/sys/unix"
)

// heldEnv makes the test binary execute another program, whose fsync and fdatasync calls a
// supervisor answers. It gets the supervisor's descriptor through descriptor 3.
const heldEnv = "UTMPD_SYSTEM_HELD"

func execHeld() {
	os.Unsetenv(heldEnv)
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the call's number
	for _, n := range []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC} {
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: n, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_TSYNC|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, uintptr(unsafe.Pointer(&prog)))
	var err error
	if errno != 0 {
		err = errno
	}
	if err == nil {
		err = unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(fd)), nil, 0)
	}
	if err == nil {
		unix.Close(3)
		err = syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "hold calls:", err)
	os.Exit(1)
}

// slowly starts utmpd on a disk on which each sync takes a while. It returns how many there
// have been.
func slowly(t *testing.T, each time.Duration) (d *utmpd, syncs func() int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "")
	cmd := exec.Command(testBinary, utmpdBinary, "-foreground", "-config", configFile)
	cmd.Env = append(os.Environ(), heldEnv+"=1")
	cmd.ExtraFiles = []*os.File{theirs}
	s := supervisor{t: t, each: each, calls: make(chan int, 1)}
	s.calls <- 0
	go s.run(pair[0])
	d = startUtmpdBy(t, cmd)
	theirs.Close()
	return d, func() int { n := <-s.calls; s.calls <- n; return n }
}

type supervisor struct {
	t     *testing.T
	each  time.Duration
	calls chan int // how many there were
}

// notification is struct seccomp_notif, and answer struct seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

func (s *supervisor) run(from int) {
	b, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(from, b, rights, 0)
	unix.Close(from)
	if err != nil {
		return
	}
	control, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(control) != 1 {
		return
	}
	fds, err := unix.ParseUnixRights(&control[0])
	if err != nil || len(fds) != 1 {
		return
	}
	const receive, send = 0xc0502100, 0xc0182101
	for {
		var call notification
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fds[0]), receive, uintptr(unsafe.Pointer(&call)))
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		default: // the process has ended
			unix.Close(fds[0])
			return
		}
		wait := s.each
		if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", call.pid, call.args[0])); strings.HasPrefix(to, "/run/") {
			wait = 0 // in memory
		} else {
			s.calls <- 1 + <-s.calls
		}
		time.AfterFunc(wait, func() {
			yes := answer{id: call.id, flags: 1} // the kernel makes the call
			unix.Syscall(unix.SYS_IOCTL, uintptr(fds[0]), send, uintptr(unsafe.Pointer(&yes)))
		})
	}
}

// TestSlowDisk: each sync takes three seconds, as on a worn flash card. Deaths are marked as
// soon as ever, the log does not fill, and the end loses nothing.
func TestSlowDisk(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	configure(t, "WTMPX_UPDATE_FREQ=1")
	d, syncs := slowly(t, 3*time.Second)
	p := &pair{d: d}
	p.sessions(t)
	for i := range 8 {
		w := dwell(t, fmt.Sprintf("y/%d", i))
		w.watched(t, d)
		died := w.kill(t)
		w.mustGo(t, died)
	}
	if syncs() < 3 {
		t.Errorf("there were only %d syncs", syncs())
	}
	if n := strings.Count(d.logged(), "level=WARN"); n > 4 {
		t.Errorf("%d warnings:\n%s", n, d.logged())
	}
	last := dwell(t, "y/9")
	last.watched(t, d)
	died := last.kill(t)
	last.mustGo(t, died)
	d.stop(t)
	p.d = startUtmpdAs(t, nil)
	p.mustHold(t, p.dies.kill(t))
}
