// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// Paths inside a guest.
const (
	testBinary     = "/usr/local/bin/system.test"
	utmpdBinary    = "/usr/local/bin/utmpd"
	utmpd386Binary = "/usr/local/bin/utmpd-386" // the same for 32 bits
	utmpctlBinary  = "/usr/local/bin/utmpctl"
	judgeRoot      = "/judge" // Debian 12, with the guest's own /run, /var/log and /proc
	utmpFile       = "/run/utmp"
	wtmpFile       = "/var/log/wtmp"
)

// guestInit is process 1 of a guest. It sets up the guest's file systems, starts
// the test binary, reaps orphans, and exits with the test's status. The kernel then
// kills all remaining processes in the pid namespace.
func guestInit(specJSON string) {
	spec := new(guestSpec)
	if err := json.Unmarshal([]byte(specJSON), spec); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := makeWorld(spec); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	reports := os.NewFile(3, "reports")
	test, err := os.StartProcess(testBinary, append([]string{"system.test"}, spec.Args...), &os.ProcAttr{
		Dir: "/root", Files: []*os.File{nil, os.Stdout, os.Stderr, reports},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	reports.Close()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fmt.Println("guest's init: wait:", err)
			os.Exit(1)
		case pid == test.Pid && status.Signaled():
			fmt.Println("the test died of", status.Signal())
			os.Exit(1)
		case pid == test.Pid:
			os.Exit(status.ExitStatus())
		}
	}
}

// world sets up a guest's file systems step by step and keeps the first error.
type world struct{ err error }

func (w *world) do(what string, f func() error) {
	if w.err != nil {
		return
	}
	if err := f(); err != nil {
		w.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (w *world) mkdir(path string, mode os.FileMode) {
	w.do("", func() error {
		if err := os.MkdirAll(path, mode); err != nil {
			return err
		}
		return os.Chmod(path, mode) // independent of the umask and of an existing directory
	})
}

func (w *world) mount(fstype, target string, flags uintptr, options string) {
	w.do("mount "+fstype+" on "+target, func() error {
		return unix.Mount(fstype, target, fstype, flags, options)
	})
}

// bind makes source visible at target and creates target if it does not exist.
func (w *world) bind(source, target string, readOnly bool) {
	w.do("bind "+source+" to "+target, func() error {
		st, err := os.Stat(source)
		if err != nil {
			return err
		}
		if st.IsDir() {
			err = os.MkdirAll(target, 0o755)
		} else if _, err = os.Stat(target); errors.Is(err, os.ErrNotExist) {
			err = os.WriteFile(target, nil, 0o755)
		}
		if err != nil {
			return err
		}
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil || !readOnly {
			return err
		}
		return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	})
}

// makeWorld puts this process into the guest's root and unmounts the machine's
// root.
func makeWorld(spec *guestSpec) error {
	syscall.Umask(0o022)
	w := new(world)
	w.do("make mounts private", func() error {
		return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	})
	w.mount("tmpfs", spec.Base, 0, "mode=0755")
	root := filepath.Join(spec.Base, "root")
	for _, dir := range []string{"root", "upper", "work"} {
		w.mkdir(filepath.Join(spec.Base, dir), 0o755)
	}
	w.mount("overlay", root, 0, fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", spec.Root, spec.Base, spec.Base))
	w.mount("proc", root+"/proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	w.mount("tmpfs", root+"/run", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
	w.mount("tmpfs", root+"/tmp", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	makeDevices(w, root+"/dev")
	w.bind(spec.Test, root+testBinary, true)
	w.bind(spec.Utmpd, root+utmpdBinary, true)
	if spec.Utmpd386 != "" {
		w.bind(spec.Utmpd386, root+utmpd386Binary, true)
	}
	w.bind(spec.Utmpctl, root+utmpctlBinary, true)
	w.bind(spec.Judge, root+judgeRoot, true)
	for _, dir := range []string{"/run", "/var/log", "/proc"} {
		w.bind(root+dir, root+judgeRoot+dir, false)
	}
	// What is set in /proc/sys is set for the whole machine, except for this file, which
	// belongs to the pid namespace.
	const lastPID = "/proc/sys/kernel/ns_last_pid"
	w.bind(root+"/proc/sys", root+"/proc/sys", true)
	w.bind(root+judgeRoot+lastPID, root+lastPID, false)
	w.bind(root+judgeRoot+"/proc/sys", root+judgeRoot+"/proc/sys", true)
	w.do("pivot_root", func() error {
		if err := os.Chdir(root); err != nil {
			return err
		}
		// The old root is mounted over the new one; unmount it.
		if err := unix.PivotRoot(".", "."); err != nil {
			return err
		}
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return err
		}
		return os.Chdir("/")
	})
	w.do("set host name", func() error { return unix.Sethostname([]byte("guest")) })
	w.do("bring lo up", loopbackUp)
	w.do("make utmp and wtmp", freshFiles)
	return w.err
}

func makeDevices(w *world, dev string) {
	w.mount("tmpfs", dev, unix.MS_NOSUID, "mode=0755")
	for name, minor := range map[string]uint32{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		w.do("make "+name, func() error { return makeDevice(filepath.Join(dev, name), 1, minor) })
	}
	w.do("make tty", func() error { return makeDevice(filepath.Join(dev, "tty"), 5, 0) })
	w.mkdir(dev+"/pts", 0o755)
	w.mkdir(dev+"/shm", 0o1777)
	w.mount("devpts", dev+"/pts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
	for name, target := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		w.do("link "+name, func() error { return os.Symlink(target, filepath.Join(dev, name)) })
	}
}

func makeDevice(path string, major, minor uint32) error {
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(major, minor))); err != nil {
		return err
	}
	return os.Chmod(path, 0o666)
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// freshFiles creates utmp and wtmp as they are after a boot of Debian.
func freshFiles() error {
	boot, err := bootRecord()
	if err != nil {
		return err
	}
	for _, name := range []string{utmpFile, wtmpFile} {
		if err := os.WriteFile(name, boot, 0o664); err != nil {
			return err
		}
		if err := os.Chmod(name, 0o664); err != nil {
			return err
		}
		if err := os.Chown(name, 0, utmpGroup); err != nil {
			return err
		}
	}
	return nil
}

// utmpGroup is the group ID of utmp, 43 on every Debian.
const utmpGroup = 43

func bootRecord() ([]byte, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil, err
	}
	_, after, _ := strings.Cut(string(stat), "\nbtime ")
	btime, _, _ := strings.Cut(after, "\n")
	sec, err := strconv.ParseInt(btime, 10, 64)
	if err != nil {
		return nil, err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return nil, err
	}
	return utmpx.Native().Encode(utmpx.Record{
		Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot",
		Host: strings.TrimSpace(string(release)), Time: utmpx.TimeOf(time.Unix(sec, 0)),
	})
}
