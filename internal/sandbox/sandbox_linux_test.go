// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tasks are what a test runs in a new process. The arguments are directories.
var tasks = map[string]func([]string) error{
	"deny":  deny,
	"keep":  keep,
	"files": files,
	"old":   old,
}

// inBox runs a task in a new process and fails the test if it fails. It skips the
// test if this program or this machine cannot run the task.
func inBox(t *testing.T, task string, args ...string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), taskEnv+"="+task)
	out, err := cmd.CombinedOutput()
	if strings.HasPrefix(string(out), errUnable.Error()) {
		if os.Getenv("CI") != "" && !strings.Contains(string(out), "cgo") {
			t.Fatalf("%s", out)
		}
		t.Skipf("%s", out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

var errUnable = errors.New("cannot be tested here")

// enter enters a sandbox while four threads run. onThreads calls a function on
// each of them.
func enter(dirs Dirs) (box *Box, onThreads func(func() error) error, err error) {
	const threads = 4
	work := make(chan func() error)
	done := make(chan error)
	var up sync.WaitGroup
	up.Add(threads)
	for range threads {
		go func() {
			runtime.LockOSThread()
			up.Done()
			for f := range work {
				done <- f()
			}
		}()
	}
	up.Wait()
	box, errs := Enter(dirs)
	return box, func(f func() error) error {
		var errs []error
		for range threads {
			work <- f
			errs = append(errs, <-done)
		}
		return errors.Join(errs...)
	}, errors.Join(errs...)
}

// whole is enter, but returns errUnable if the sandbox is not complete.
func whole(dirs Dirs) (*Box, func(func() error) error, error) {
	box, onThreads, err := enter(dirs)
	return box, onThreads, unable(err)
}

// unable returns errUnable with what keeps the sandbox from being complete, or nil.
func unable(err error) error {
	switch {
	case errors.Is(err, unix.ENOTSUP):
		return fmt.Errorf("%w: a program with cgo: %w", errUnable, err)
	case err != nil:
		return fmt.Errorf("%w: %w", errUnable, err)
	}
	return nil
}

func TestNoProgramNoNetwork(t *testing.T) { inBox(t, "deny") }

func deny([]string) error {
	_, onThreads, err := enter(Dirs{})
	if err != nil && strings.Contains(err.Error(), "programs and networks") {
		return fmt.Errorf("%w: %w", errUnable, err)
	}
	return onThreads(func() error {
		for _, c := range []struct {
			name string
			err  error
			want error
		}{
			{"execve", unix.Exec("/bin/false", []string{"false"}, nil), unix.EPERM}, // if it succeeds, this process fails
			{"execveat", execveat(), unix.EPERM},
			{"io_uring", call(unix.SYS_IO_URING_SETUP, 1, 0), unix.EPERM},
			{"inet", socket(unix.AF_INET, unix.SOCK_STREAM), unix.EAFNOSUPPORT},
			{"inet6", socket(unix.AF_INET6, unix.SOCK_DGRAM), unix.EAFNOSUPPORT},
			{"netlink", socket(unix.AF_NETLINK, unix.SOCK_RAW), unix.EAFNOSUPPORT},
			{"packet", socket(unix.AF_PACKET, unix.SOCK_RAW), unix.EAFNOSUPPORT},
			{"a family beyond 32 bits", call(unix.SYS_SOCKET, uintptr(highBits|unix.AF_INET), unix.SOCK_STREAM), unix.EAFNOSUPPORT},
			{"unix", socket(unix.AF_UNIX, unix.SOCK_DGRAM), nil},
			{"chmod", os.Chmod("/proc/self/exe", 0o755), unix.EPERM},
			{"chown", os.Lchown("/proc/self/exe", -1, -1), unix.EPERM},
			{"setxattr", unix.Setxattr("/proc/self/exe", "user.x", nil, 0), unix.EPERM},
			{"set flags", call(unix.SYS_IOCTL, 0, unix.FS_IOC_SETFLAGS), unix.EPERM},
			{"times of a name", os.Chtimes("/proc/self/exe", time.Time{}, time.Now()), unix.EPERM},
			{"a user namespace", cloneWith(unix.CLONE_NEWUSER | unix.CLONE_FS), unix.EPERM}, // without a filter EINVAL
			{"a mount namespace", cloneWith(unix.CLONE_NEWNS | unix.CLONE_FS), unix.EPERM},
			{"clone3", call(unix.SYS_CLONE3, 0, 0), unix.ENOSYS},
			{"ptrace", call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1), unix.EPERM},
		} {
			if !errors.Is(c.err, c.want) {
				return fmt.Errorf("%s: %v, want %v", c.name, c.err, c.want)
			}
		}
		if _, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{}); !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("execve in a child: %v, want %v", err, unix.EPERM)
		}
		return nil
	})
}

// cloneWith calls clone(2) with flags that the kernel does not take together.
func cloneWith(flags uintptr) error {
	args := [2]uintptr{}
	args[machines[runtime.GOARCH].cloneFlags] = flags
	return call(unix.SYS_CLONE, args[0], args[1])
}

// highBits are bits of an argument that the kernel ignores.
var highBits = uint64(1) << 40

func call(trap, a1, a2 uintptr) error {
	if _, _, errno := unix.Syscall(trap, a1, a2, 0); errno != 0 {
		return errno
	}
	return nil
}

func execveat() error {
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH, 0)
	if err != nil {
		return err
	}
	return call(unix.SYS_EXECVEAT, uintptr(fd), 0)
}

func socket(family, kind int) error {
	fd, _, errno := unix.Syscall(unix.SYS_SOCKET, uintptr(family), uintptr(kind), 0)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// TestKeeps checks that everything works that utmpd does in the sandbox.
func TestKeeps(t *testing.T) {
	dir := t.TempDir()
	logger, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "log"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer logger.Close()
	inBox(t, "keep", dir)
}

func keep(args []string) error {
	_, onThreads, err := whole(Dirs{Read: []string{"/proc", "/etc", "/sys/devices/virtual/tty", "/nonexistent"}})
	if err != nil {
		return err
	}
	return onThreads(func() error {
		for _, name := range []string{"/proc/1/stat", "/proc/1/status", "/proc/self/stat", "/etc/passwd", "/proc"} {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			f.Close()
		}
		if _, err := os.ReadFile("/sys/class/tty/tty0/active"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if _, err := os.Stat("/dev/null"); err != nil {
			return err
		}
		if err := unix.Kill(os.Getppid(), 0); err != nil {
			return err
		}
		fd, err := unix.PidfdOpen(os.Getppid(), 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		conn, err := net.Dial("unixgram", filepath.Join(args[0], "log"))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// TestFiles checks what can be done in each kind of directory, and that nothing
// can be done outside them. That stays so after a file is renamed.
func TestFiles(t *testing.T) {
	var dirs []string
	for range 5 {
		dir := t.TempDir()
		dirs = append(dirs, dir)
		for _, name := range []string{"file", "beside"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	inBox(t, "files", dirs...)
}

func files(dirs []string) error {
	read, write, change, other, one := dirs[0], dirs[1], dirs[2], dirs[3], dirs[4]
	_, onThreads, err := whole(Dirs{
		Read: []string{read}, Write: []string{write}, Change: []string{change},
		List: []string{one}, Files: []string{filepath.Join(one, "file"), filepath.Join(one, "missing")},
	})
	if err != nil {
		return err
	}
	return onThreads(func() error {
		if err := open(filepath.Join(one, "beside"), os.O_RDONLY); !refused(err) {
			return fmt.Errorf("open a file beside the one with a rule: %v", err)
		}
		for _, c := range []struct {
			dir                        string
			reads, writes, makes, cuts bool
		}{
			{read, true, false, false, false},
			{write, true, true, false, true},
			{change, true, true, true, true},
			{other, false, false, false, false},
			{one, true, true, false, true},
		} {
			name := filepath.Join(c.dir, "file")
			fresh := filepath.Join(c.dir, "fresh")
			for _, try := range []struct {
				what string
				may  bool
				do   func() error
			}{
				{"read", c.reads, func() error { return open(name, os.O_RDONLY) }},
				{"list", c.reads, func() error { return open(c.dir, os.O_RDONLY) }},
				{"write", c.writes, func() error { return open(name, os.O_RDWR|os.O_APPEND) }},
				{"cut", c.cuts, func() error { return cutOpen(name) }},
				{"cut by its name", false, func() error { return os.Truncate(name, 1) }},
				{"make", c.makes, func() error { return open(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL) }},
				{"rename", c.makes, func() error { return os.Rename(fresh, fresh+".new") }},
				{"remove", c.makes, func() error { return os.Remove(fresh + ".new") }},
				{"make a directory", false, func() error { return os.Mkdir(filepath.Join(c.dir, "sub"), 0o700) }},
				{"make a device", false, func() error { return unix.Mknod(fresh, unix.S_IFCHR|0o600, 0) }},
			} {
				err := try.do()
				if try.may && err != nil || !try.may && !refused(err) {
					return fmt.Errorf("%s in %s: %v, allowed: %v", try.what, c.dir, err, try.may)
				}
			}
		}
		return nil
	})
}

// TestOldLandlock checks what the first versions of Landlock cannot deny: the filter does. A
// file that the process may write lies outside of its directories.
func TestOldLandlock(t *testing.T) {
	for _, c := range []struct{ name, abi string }{{"Linux 5.13", "1"}, {"Linux 5.19", "2"}, {"no Landlock", "0"}} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
				t.Fatal(err)
			}
			before, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			inBox(t, "old", c.abi, name)
			after, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
				t.Errorf("the file has %d bytes of %v, want %d of %v", after.Size(), after.ModTime(), before.Size(), before.ModTime())
			}
		})
	}
}

func old(args []string) error {
	abi, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := unable(filterCalls()); err != nil {
		return err
	}
	if abi > 0 {
		var older *OlderError
		if _, err := restrictWith(abi, Dirs{Write: []string{"/proc"}}); !errors.As(err, &older) {
			return unable(fmt.Errorf("version %d: %w, want an OlderError", abi, err))
		}
	}
	errs := []error{}
	for _, try := range []struct {
		name string
		err  error
	}{
		{"cut", os.Truncate(args[1], 0)},
		{"set the times", unix.Utimes(args[1], make([]unix.Timeval, 2))},
		{"set the times as the oldest call does", utime(args[1])},
	} {
		if !errors.Is(try.err, unix.EPERM) {
			errs = append(errs, fmt.Errorf("%s: %v, want %v", try.name, try.err, unix.EPERM))
		}
	}
	return errors.Join(errs...)
}

// cutOpen cuts a file that it has open.
func cutOpen(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(1)
}

// refused reports whether Landlock denied the operation. ENOENT counts: a file
// that it did not let create cannot be renamed or removed.
func refused(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM)
}

func open(name string, flag int) error {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// TestProgramOfEveryMachine interprets the filter of each architecture.
func TestProgramOfEveryMachine(t *testing.T) {
	const eperm, nofamily = unix.SECCOMP_RET_ERRNO | uint32(syscall.EPERM), unix.SECCOMP_RET_ERRNO | uint32(syscall.EAFNOSUPPORT)
	for arch, m := range machines {
		prog, err := program(arch)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name      string
			nr, audit uint32
			args      []uint64
			want      uint32
		}{
			{"read", unix.SYS_READ, m.audit, nil, unix.SECCOMP_RET_ALLOW},
			{"execve", unix.SYS_EXECVE, m.audit, nil, eperm},
			{"execveat", unix.SYS_EXECVEAT, m.audit, nil, eperm},
			{"unix", unix.SYS_SOCKET, m.audit, []uint64{unix.AF_UNIX}, unix.SECCOMP_RET_ALLOW},
			{"inet", unix.SYS_SOCKET, m.audit, []uint64{unix.AF_INET}, nofamily},
			{"another ABI", unix.SYS_READ, m.audit ^ 1, nil, eperm},
			{"fchmod", unix.SYS_FCHMOD, m.audit, nil, eperm},
			{"fchmodat2", unix.SYS_FCHMODAT2, m.audit, nil, eperm},
			{"fchownat", unix.SYS_FCHOWNAT, m.audit, nil, eperm},
			{"setxattr", unix.SYS_SETXATTR, m.audit, nil, eperm},
			{"setxattrat", unix.SYS_SETXATTRAT, m.audit, nil, eperm},
			{"removexattrat", unix.SYS_REMOVEXATTRAT, m.audit, nil, eperm},
			{"file_setattr", unix.SYS_FILE_SETATTR, m.audit, nil, eperm},
			{"truncate", unix.SYS_TRUNCATE, m.audit, nil, eperm},
			{"ftruncate", unix.SYS_FTRUNCATE, m.audit, nil, unix.SECCOMP_RET_ALLOW},
			{"ptrace", unix.SYS_PTRACE, m.audit, nil, eperm},
			{"set flags", unix.SYS_IOCTL, m.audit, []uint64{3, unix.FS_IOC_SETFLAGS}, eperm},
			{"set flags, on 32 bits", unix.SYS_IOCTL, m.audit, []uint64{3, 0x40046602}, eperm},
			{"set extended flags", unix.SYS_IOCTL, m.audit, []uint64{3, 0x401c5820}, eperm},
			{"a request beyond 32 bits", unix.SYS_IOCTL, m.audit, []uint64{3, highBits | unix.FS_IOC_SETFLAGS}, eperm},
			{"ask a pidfd", unix.SYS_IOCTL, m.audit, []uint64{3, unix.PIDFD_GET_INFO}, unix.SECCOMP_RET_ALLOW},
			{"times of an open file", unix.SYS_UTIMENSAT, m.audit, []uint64{3, 0}, unix.SECCOMP_RET_ALLOW},
			{"times of a name", unix.SYS_UTIMENSAT, m.audit, []uint64{3, 0x1234}, eperm},
			{"times of a name at a high address", unix.SYS_UTIMENSAT, m.audit, []uint64{3, highBits}, eperm},
		} {
			if got := interpret(t, prog, c.nr, c.audit, c.args...); got != c.want {
				t.Errorf("%s: %s: %#x, want %#x", arch, c.name, got, c.want)
			}
		}
		if m.socketcall != 0 {
			want := uint32(eperm)
			if m.needsSocketcall {
				want = unix.SECCOMP_RET_ALLOW
			}
			if got := interpret(t, prog, m.socketcall, m.audit); got != want {
				t.Errorf("%s: socketcall: %#x, want %#x", arch, got, want)
			}
		}
	}
	if _, err := program("vax"); err == nil {
		t.Error("program returned a filter for an unknown architecture")
	}
}

// TestFewOfEveryMachine interprets the filter of the toucher on each architecture.
func TestFewOfEveryMachine(t *testing.T) {
	const eperm = unix.SECCOMP_RET_ERRNO | uint32(syscall.EPERM)
	for arch, m := range machines {
		prog, err := fewProgram(arch)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			nr   uint32
			args []uint64
			want uint32
		}{
			{"read", unix.SYS_READ, nil, unix.SECCOMP_RET_ALLOW},
			{"open to read", unix.SYS_OPENAT, []uint64{0, 1, unix.O_RDONLY | unix.O_NOATIME | unix.O_CLOEXEC}, unix.SECCOMP_RET_ALLOW},
			{"open to read and write", unix.SYS_OPENAT, []uint64{0, 1, unix.O_RDWR | unix.O_APPEND}, unix.SECCOMP_RET_ALLOW},
			{"open to write alone", unix.SYS_OPENAT, []uint64{0, 1, unix.O_WRONLY}, eperm},
			{"cut", unix.SYS_OPENAT, []uint64{0, 1, unix.O_RDWR | unix.O_TRUNC}, eperm},
			{"create without a name", unix.SYS_OPENAT, []uint64{0, 1, unix.O_RDWR | unix.O_TMPFILE}, eperm},
			{"hand on", unix.SYS_SENDMSG, nil, unix.SECCOMP_RET_ALLOW},
			{"create", unix.SYS_OPENAT, []uint64{0, 1, unix.O_RDONLY | unix.O_CREAT}, eperm},
			{"times of an open file", unix.SYS_UTIMENSAT, []uint64{3, 0}, unix.SECCOMP_RET_ALLOW},
			{"times of a name", unix.SYS_UTIMENSAT, []uint64{3, 1}, eperm},
			{"fchmod", unix.SYS_FCHMOD, nil, eperm},
			{"socket", unix.SYS_SOCKET, []uint64{unix.AF_UNIX}, eperm},
			{"kill", unix.SYS_KILL, nil, eperm},
			{"execve", unix.SYS_EXECVE, nil, eperm},
			{"ioctl", unix.SYS_IOCTL, []uint64{3, unix.PIDFD_GET_INFO}, eperm},
			{"capset", unix.SYS_CAPSET, nil, eperm},
		} {
			if got := interpret(t, prog, c.nr, m.audit, c.args...); got != c.want {
				t.Errorf("%s: %s: %#x, want %#x", arch, c.name, got, c.want)
			}
		}
	}
}

// interpret runs a filter. It knows the instructions that program uses.
func interpret(t *testing.T, prog []unix.SockFilter, nr, audit uint32, args ...uint64) uint32 {
	t.Helper()
	data := map[uint32]uint32{dataNumber: nr, dataArch: audit}
	for i, arg := range args {
		data[argument(uint32(i))], data[argument(uint32(i))^4] = uint32(arg), uint32(arg>>32)
	}
	acc := uint32(0)
	for i := 0; i < len(prog); i++ {
		switch s := prog[i]; s.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = data[s.K]
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= s.K
		case unix.BPF_RET | unix.BPF_K:
			return s.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			is := acc == s.K
			if s.Code&0xf0 == unix.BPF_JGE {
				is = acc >= s.K
			}
			if is {
				i += int(s.Jt)
			} else {
				i += int(s.Jf)
			}
		default:
			t.Fatalf("unknown instruction %+v", s)
		}
	}
	t.Fatal("the filter has no return at its end")
	return 0
}

func TestHidepid(t *testing.T) {
	const line = "27 22 0:24 / /proc rw,nosuid shared:13 - proc proc %s\n"
	for _, c := range []struct {
		name, options string
		gid           int
		hides         bool
	}{
		{"none", "rw", 0, false},
		{"off", "rw,hidepid=off", 0, false},
		{"by number", "rw,hidepid=2", 0, true},
		{"by name", "rw,hidepid=invisible", 0, true},
		{"with a group", "rw,gid=44,hidepid=invisible", 44, true},
		{"ptraceable", "rw,hidepid=ptraceable,gid=44", -1, true},
		{"ptraceable, in the kernel's order", "rw,gid=44,hidepid=ptraceable", -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "22 1 0:1 / / rw - ext4 /dev/vda rw\n" + fmt.Sprintf(line, c.options)
			if gid, hides := hidepid(text); gid != c.gid || hides != c.hides {
				t.Errorf("hidepid(%q) = %d, %v, want %d, %v", text, gid, hides, c.gid, c.hides)
			}
		})
	}
	if _, hides := hidepid(fmt.Sprintf(line, "rw,hidepid=2") + fmt.Sprintf(line, "rw")); hides {
		t.Error("hidepid used a mount that is covered by another")
	}
}
