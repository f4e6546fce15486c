// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// intruderEnv makes the test binary intrude into the process with that pid: a process
// of its own, since a tracer's stops can be taken by any wait of its other threads.
const intruderEnv = "UTMPD_SYSTEM_INTRUDER"

func init() {
	pid, err := strconv.Atoi(os.Getenv(intruderEnv))
	if err != nil {
		return
	}
	runtime.LockOSThread()
	in := intrude(pid)
	for _, a := range attempts {
		in.used = 0
		fmt.Println(a.do(in))
	}
	must(unix.PtraceSetRegs(pid, &in.saved))
	must(unix.PtraceDetach(pid))
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// intruder makes system calls from inside another process, as code that got into it
// would.
type intruder struct {
	pid   int
	saved unix.PtraceRegs
	page  uint64 // memory of the process
	used  uint64
}

const pageSize = 4 << 12

// intrude stops the first thread of a process in a system call.
func intrude(pid int) *intruder {
	in := &intruder{pid: pid}
	for !in.stop() {
		time.Sleep(time.Millisecond)
	}
	in.page = uint64(in.call(unix.SYS_MMAP, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uint64(0)))
	if int64(in.page) <= 0 {
		panic(unix.Errno(-int64(in.page)))
	}
	return in
}

// stop stops the process and reports whether a system call's instruction is before
// the next one.
func (in *intruder) stop() bool {
	must(unix.PtraceAttach(in.pid))
	in.wait(unix.SIGSTOP)
	must(unix.PtraceGetRegs(in.pid, &in.saved))
	var code [2]byte
	_, err := unix.PtracePeekText(in.pid, uintptr(in.saved.Rip-2), code[:])
	if err == nil && code == [2]byte{0x0f, 0x05} {
		return true
	}
	must(unix.PtraceDetach(in.pid))
	return false
}

// wait waits for the stop by a signal, and drops the others.
func (in *intruder) wait(signal unix.Signal) {
	for {
		var ws unix.WaitStatus
		_, err := unix.Wait4(in.pid, &ws, unix.WALL, nil)
		must(err)
		if !ws.Stopped() {
			panic("the process ended")
		}
		if ws.StopSignal() == signal {
			return
		}
		must(unix.PtraceSingleStep(in.pid))
	}
}

// call makes a system call. It returns a negative error number if that fails.
func (in *intruder) call(nr int, args ...uint64) int64 {
	regs := in.saved
	regs.Rip -= 2
	regs.Rax, regs.Orig_rax = uint64(nr), ^uint64(0)
	for i, arg := range args {
		*[]*uint64{&regs.Rdi, &regs.Rsi, &regs.Rdx, &regs.R10, &regs.R8, &regs.R9}[i] = arg
	}
	must(unix.PtraceSetRegs(in.pid, &regs))
	must(unix.PtraceSingleStep(in.pid))
	in.wait(unix.SIGTRAP)
	must(unix.PtraceGetRegs(in.pid, &regs))
	return int64(regs.Rax)
}

// bytes puts b into the process's memory and returns its address.
func (in *intruder) bytes(b []byte) uint64 {
	at := in.page + in.used
	if in.used += uint64(len(b)+8) &^ 7; in.used > pageSize {
		panic("the page is full")
	}
	_, err := unix.PtracePokeData(in.pid, uintptr(at), b)
	must(err)
	return at
}

func (in *intruder) path(name string) uint64 { return in.bytes(append([]byte(name), 0)) }

// words puts 64-bit numbers into the process's memory.
func (in *intruder) words(w ...uint64) uint64 {
	var b []byte
	for _, v := range w {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return in.bytes(b)
}

func (in *intruder) open(name string, flags int) int64 {
	return in.call(unix.SYS_OPENAT, here, in.path(name), uint64(flags), 0o644)
}

// here is AT_FDCWD.
var here = uint64(0xffffffffffffff9c)

// attempt is what an intruder tries. It must fail.
type attempt struct {
	name string
	root bool // fails also where utmpd runs as root
	do   func(in *intruder) int64
}

// Files of root's that no program in the tests changes.
const (
	rootShell = "/usr/local/bin/shell"
	unit      = "/run/x.conf"
	failed    = "/var/log/btmp"
	lastLogin = "/var/log/lastlog"
	control   = "/run/control"
)

var victims = []string{rootShell, unit, failed, lastLogin, control, "/etc/shadow", "/run", "/var/log", "/etc"}

// call returns an attempt with a path as its first argument.
func named(nr int, name string, args ...uint64) func(in *intruder) int64 {
	return func(in *intruder) int64 { return in.call(nr, append([]uint64{in.path(name)}, args...)...) }
}

// at returns an attempt with a path as its second argument.
func at(nr int, name string, args ...uint64) func(in *intruder) int64 {
	return func(in *intruder) int64 { return in.call(nr, append([]uint64{here, in.path(name)}, args...)...) }
}

// onLog returns an attempt with the open wtmp file as its first argument.
func onLog(nr int, args func(in *intruder) []uint64) func(in *intruder) int64 {
	return func(in *intruder) int64 {
		fd := in.open(wtmpFile, unix.O_RDONLY)
		if fd < 0 {
			panic(unix.Errno(-fd))
		}
		defer in.call(unix.SYS_CLOSE, uint64(fd))
		return in.call(nr, append([]uint64{uint64(fd)}, args(in)...)...)
	}
}

func numbers(n ...uint64) func(*intruder) []uint64 {
	return func(*intruder) []uint64 { return n }
}

func xattr(nr int, name string) func(in *intruder) int64 {
	return func(in *intruder) int64 {
		return in.call(nr, in.path(name), in.path("trusted.x"), in.bytes([]byte("x")), 1, 0)
	}
}

// attempts try to change files, or get at what can.
var attempts = []attempt{
	{"chmod a shell", true, named(unix.SYS_CHMOD, rootShell, 0o4755)},
	{"chmod a shell by fchmodat", true, at(unix.SYS_FCHMODAT, rootShell, 0o4755)},
	{"chmod a shell by fchmodat2", true, at(unix.SYS_FCHMODAT2, rootShell, 0o4755, 0)},
	{"chmod /run", true, named(unix.SYS_CHMOD, "/run", 0o777)},
	{"chmod the log of failures", true, named(unix.SYS_CHMOD, failed, 0o666)},
	{"chmod a socket", true, named(unix.SYS_CHMOD, control, 0o666)},
	{"chmod wtmp", true, onLog(unix.SYS_FCHMOD, numbers(0o666))},
	{"chown", true, named(unix.SYS_CHOWN, rootShell, ownUID, ownUID)},
	{"chown a link", true, named(unix.SYS_LCHOWN, rootShell, ownUID, ownUID)},
	{"chown wtmp", true, onLog(unix.SYS_FCHOWN, numbers(ownUID, ownUID))},
	{"chown by fchownat", true, at(unix.SYS_FCHOWNAT, rootShell, ownUID, ownUID, 0)},
	{"set an attribute", true, xattr(unix.SYS_SETXATTR, rootShell)},
	{"set a link's attribute", true, xattr(unix.SYS_LSETXATTR, rootShell)},
	{"set wtmp's attribute", true, onLog(unix.SYS_FSETXATTR, func(in *intruder) []uint64 {
		return []uint64{in.path("trusted.x"), in.bytes([]byte("x")), 1, 0}
	})},
	{"set an attribute by setxattrat", true, func(in *intruder) int64 {
		return in.call(unix.SYS_SETXATTRAT, here, in.path(rootShell), 0, in.path("trusted.x"), in.words(in.page, 1), 16)
	}},
	{"remove an attribute", true, xattr(unix.SYS_REMOVEXATTR, rootShell)},
	{"set wtmp's flags", true, onLog(unix.SYS_IOCTL, func(in *intruder) []uint64 { return []uint64{unix.FS_IOC_SETFLAGS, in.words(0x80)} })},
	{"set wtmp's extended flags", true, onLog(unix.SYS_IOCTL, func(in *intruder) []uint64 {
		return []uint64{0x401c5820, in.words(0x40, 0, 0, 0)}
	})},
	{"set attributes by file_setattr", true, func(in *intruder) int64 {
		return in.call(unix.SYS_FILE_SETATTR, here, in.path(rootShell), in.words(0x80, 0, 0, 0), 24, 0)
	}},
	{"set a shell's times", true, func(in *intruder) int64 {
		return in.call(unix.SYS_UTIMENSAT, here, in.path(rootShell), in.words(1, 0, 1, 0), 0)
	}},
	{"set a shell's times by utimes", true, func(in *intruder) int64 {
		return in.call(unix.SYS_UTIMES, in.path(rootShell), in.words(1, 0, 1, 0))
	}},
	{"set a shell's times by utime", true, named(unix.SYS_UTIME, rootShell, 0)},
	{"set the group's log's times by utime", false, named(unix.SYS_UTIME, lastLogin, 0)},
	{"set wtmp's times", false, onLog(unix.SYS_UTIMENSAT, func(in *intruder) []uint64 {
		return []uint64{0, in.words(1, 0, 0, unix.UTIME_OMIT), 0}
	})},
	{"read secrets", false, func(in *intruder) int64 { return in.open("/etc/shadow", unix.O_RDONLY) }},
	{"write a shell", true, func(in *intruder) int64 { return in.open(rootShell, unix.O_WRONLY) }},
	{"write in /etc", true, func(in *intruder) int64 { return in.open("/etc/passwd", unix.O_WRONLY) }},
	{"write in /run", false, func(in *intruder) int64 { return in.open(unit, unix.O_WRONLY) }},
	{"write the group's log of failures", false, func(in *intruder) int64 { return in.open(failed, unix.O_WRONLY) }},
	{"read the group's log of failures", false, func(in *intruder) int64 { return in.open(failed, unix.O_RDONLY) }},
	{"cut the group's log of failures", false, named(unix.SYS_TRUNCATE, failed, 0)},
	{"write the group's log of last logins", false, func(in *intruder) int64 { return in.open(lastLogin, unix.O_WRONLY) }},
	{"make a file in /run", true, func(in *intruder) int64 { return in.open("/run/new.conf", unix.O_WRONLY|unix.O_CREAT) }},
	{"make a file in /var/log", true, func(in *intruder) int64 { return in.open("/var/log/new", unix.O_WRONLY|unix.O_CREAT) }},
	{"make a file in /tmp", true, func(in *intruder) int64 { return in.open("/tmp/new", unix.O_WRONLY|unix.O_CREAT) }},
	{"cut a shell", true, named(unix.SYS_TRUNCATE, rootShell, 0)},
	{"link", true, func(in *intruder) int64 {
		return in.call(unix.SYS_LINK, in.path(rootShell), in.path("/run/utmpd/shell"))
	}},
	{"rename", true, func(in *intruder) int64 { return in.call(unix.SYS_RENAME, in.path(failed), in.path("/run/utmpd/btmp")) }},
	{"remove", true, named(unix.SYS_UNLINK, failed)},
	{"make a directory", true, named(unix.SYS_MKDIR, "/run/utmpd/d", 0o755)},
	{"make a link", true, func(in *intruder) int64 {
		return in.call(unix.SYS_SYMLINK, in.path("/etc/shadow"), in.path("/run/utmpd/l"))
	}},
	{"set the level of ports", false, func(in *intruder) int64 { return in.call(unix.SYS_IOPL, 0) }},
	{"set rights for a port", false, func(in *intruder) int64 { return in.call(unix.SYS_IOPERM, 0x80, 1, 0) }},
	{"clone a tree of mounts", true, func(in *intruder) int64 {
		return in.call(unix.SYS_OPEN_TREE, here, in.path("/etc"), unix.OPEN_TREE_CLONE)
	}},
	{"watch all files", false, func(in *intruder) int64 { return in.call(unix.SYS_FANOTIFY_INIT, 0x1|0x200, 0) }},
	{"make a user namespace", true, func(in *intruder) int64 { return in.call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER) }},
	{"make a process in a user namespace", true, func(in *intruder) int64 {
		return in.call(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_FS) // without a filter EINVAL, and no process
	}},
	{"mount", true, func(in *intruder) int64 {
		return in.call(unix.SYS_MOUNT, in.path("none"), in.path("/etc"), in.path("tmpfs"), 0, 0)
	}},
	{"run a program", true, func(in *intruder) int64 {
		return in.call(unix.SYS_EXECVE, in.path("/bin/true"), in.words(0), in.words(0))
	}},
	{"talk to root's socket", false, func(in *intruder) int64 {
		fd := in.call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return in.call(unix.SYS_CONNECT, uint64(fd), in.bytes(append([]byte{unix.AF_UNIX, 0}, control...)), uint64(2+len(control)))
	}},
	{"trace process 1", true, func(in *intruder) int64 { return in.call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1, 0, 0) }},
	{"write process 1's memory", true, func(in *intruder) int64 { return in.open("/proc/1/mem", unix.O_RDWR) }},
	{"write its child's memory", false, func(in *intruder) int64 {
		name := "/proc/1/mem"
		for _, p := range processes() {
			if p.parent == in.pid {
				name = fmt.Sprintf("/proc/%d/mem", p.pid)
			}
		}
		return in.open(name, unix.O_RDWR)
	}},
	{"gain a capability", false, func(in *intruder) int64 {
		const fowner = 1 << unix.CAP_FOWNER
		header := in.words(unix.LINUX_CAPABILITY_VERSION_3)
		return in.call(unix.SYS_CAPSET, header, in.words(fowner|fowner<<32, 0, 0))
	}},
}

// TestIntruder checks that code that got into utmpd can change no file but those that
// utmpd writes: with RUN_AS, as under the unit, and as root.
func TestIntruder(t *testing.T) {
	parallel(t)
	for _, c := range []struct {
		name  string
		root  bool
		start func(t *testing.T) *utmpd
	}{
		{"RUN_AS", false, func(t *testing.T) *utmpd { return startUtmpd(t, "RUN_AS="+ownUser) }},
		{"under the unit", false, startAsUnit},
		{"as root", true, func(t *testing.T) *utmpd { return startUtmpd(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			makeUser(t)
			makeVictims(t)
			d := c.start(t)
			w := dwell(t, "x/1")
			w.watched(t, d)
			if !c.root {
				mustTouch(t, toucherOf(t, d))
			}
			before := inodes(t, victims)
			mode := stat(t, wtmpFile).Mode
			for i, got := range intrudeInto(t, d) {
				switch a := attempts[i]; {
				case got < 0:
					t.Logf("%s: %v", a.name, unix.Errno(-got))
				case a.root || !c.root:
					t.Errorf("%s: it succeeded", a.name)
				}
			}
			if now := inodes(t, victims); now != before && !c.root {
				t.Errorf("files have changed:\n%s\nbefore:\n%s", now, before)
			}
			if now := stat(t, wtmpFile); now.Mode != mode || now.Uid != 0 {
				t.Errorf("wtmp has mode %o and belongs to %d", now.Mode, now.Uid)
			}
			w.mustGo(t, w.kill(t)) // it works on
			d.stop(t)
		})
	}
}

// intrudeInto runs the attempts inside utmpd and returns their results, which are
// negative error numbers where they failed.
func intrudeInto(t *testing.T, d *utmpd) (results []int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{fmt.Sprintf("%s=%d", intruderEnv, d.cmd.Process.Pid)}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("intrude: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, n)
	}
	if len(results) != len(attempts) {
		t.Fatalf("%d results of %d attempts", len(results), len(attempts))
	}
	return results
}

// makeVictims makes the files that intruders try to change.
func makeVictims(t *testing.T) {
	t.Helper()
	for name, f := range map[string]struct {
		gid  int
		mode os.FileMode
	}{
		rootShell: {0, 0o755}, unit: {0, 0o644}, "/etc/shadow": {0, 0o600},
		failed: {utmpGroup, 0o660}, lastLogin: {utmpGroup, 0o664}, // as Debian has them
	} {
		if err := os.WriteFile(name, []byte("root's\n"), f.mode); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chown(name, 0, f.gid), os.Chmod(name, f.mode)); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: control}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(control, 0o600); err != nil {
		t.Fatal(err)
	}
}

// absent is the number of a call that amd64 does not have.
const absent = 0xffff

// calls are those that the unit denies by name.
var calls = map[string]uint32{
	"chmod": unix.SYS_CHMOD, "fchmod": unix.SYS_FCHMOD, "fchmodat": unix.SYS_FCHMODAT, "fchmodat2": unix.SYS_FCHMODAT2,
	"setxattr": unix.SYS_SETXATTR, "lsetxattr": unix.SYS_LSETXATTR, "fsetxattr": unix.SYS_FSETXATTR, "setxattrat": unix.SYS_SETXATTRAT,
	"removexattr": unix.SYS_REMOVEXATTR, "lremovexattr": unix.SYS_LREMOVEXATTR, "fremovexattr": unix.SYS_FREMOVEXATTR,
	"truncate": unix.SYS_TRUNCATE, "truncate64": absent,
	"utime": unix.SYS_UTIME, "utimes": unix.SYS_UTIMES, "futimesat": unix.SYS_FUTIMESAT,
	"removexattrat": unix.SYS_REMOVEXATTRAT, "file_setattr": unix.SYS_FILE_SETATTR,
}

// deniedByUnit returns the calls that the unit denies by their names. Its groups, and its
// file systems, are systemd's to build.
func deniedByUnit(t *testing.T) (refused []refusal) {
	t.Helper()
	for line := range strings.Lines(os.Getenv(unitEnv)) {
		names, ok := strings.CutPrefix(strings.TrimSpace(line), "SystemCallFilter=~")
		if !ok {
			continue
		}
		for name := range strings.FieldsSeq(names) {
			nr, known := calls[name]
			switch {
			case known:
				refused = append(refused, refusal{First: nr, Last: nr, Errno: unix.EPERM})
			case name[0] != '@':
				t.Fatalf("the unit denies %s, whose number the test does not know", name)
			}
		}
	}
	if len(refused) != len(calls) {
		t.Fatalf("the unit denies %d calls of %d", len(refused), len(calls))
	}
	return refused
}

// startAsUnit starts utmpd as the shipped unit does: as its own user, in the group
// utmp, with CAP_FOWNER as an ambient capability, its directories made, no new privileges,
// and without the calls that the unit denies by name.
func startAsUnit(t *testing.T) *utmpd {
	t.Helper()
	for _, dir := range []string{"/run/utmpd", "/var/lib/utmpd"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, ownUID, ownUID); err != nil {
			t.Fatal(err)
		}
	}
	configure(t)
	cmd := refusedCommand(t, deniedByUnit(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: ownUID, Gid: ownUID, Groups: []uint32{utmpGroup}},
		AmbientCaps: []uintptr{unix.CAP_FOWNER},
	}
	return startUtmpdBy(t, cmd)
}

func stat(t *testing.T, name string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(name, &st); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return st
}

// inodes describes files. Whatever changes one moves its time of change.
func inodes(t *testing.T, names []string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		st := stat(t, name)
		fmt.Fprintf(&b, "%s: mode %o, uid %d, links %d, changed %v\n", name, st.Mode, st.Uid, st.Nlink, st.Ctim)
	}
	return b.String()
}
