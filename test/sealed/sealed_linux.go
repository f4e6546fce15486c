// SPDX-License-Identifier: BSD-2-Clause

package sealed

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// initEnv makes this program the first process of the namespaces. It holds the
// directories that stay writable, as JSON.
const initEnv = "UTMPD_TEST_SEALED_INIT"

// init runs before TestMain, so that TestMain need not know about the first process.
func init() {
	writable := os.Getenv(initEnv)
	if writable == "" {
		return
	}
	os.Unsetenv(initEnv)
	status, err := beInit(writable)
	if err != nil {
		fmt.Println("sealed:", err)
		status = 1
	}
	os.Exit(status)
}

func start(cmd *exec.Cmd, writable []string, amongAll bool) error {
	if os.Geteuid() != 0 {
		return cmd.Run()
	}
	names, err := json.Marshal(writable)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, initEnv+"="+string(names))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	if !amongAll {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	}
	// Pdeathsig refers to the thread that starts the process, so keep that thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Start()
	if errors.Is(err, syscall.EPERM) && !required() {
		fmt.Printf("not sealed: root may not create namespaces here: %v\n", err)
		plain := exec.Command(cmd.Path, cmd.Args[1:]...)
		plain.Env = append(cmd.Env[:len(cmd.Env)-1], plainEnv+"=1")
		plain.Stdin, plain.Stdout, plain.Stderr = cmd.Stdin, cmd.Stdout, cmd.Stderr
		return plain.Run()
	}
	if err != nil {
		return err
	}
	return cmd.Wait()
}

// required reports whether a test that cannot run is a failure.
func required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("UTMPD_TEST_REQUIRE_SYSTEM") == "1"
}

// beInit is the first process: it makes the files read-only, starts the tests, reaps
// orphans, and returns the tests' exit status. If it is process 1, the kernel kills what
// is left when it exits.
func beInit(writable string) (int, error) {
	var names []string
	if err := json.Unmarshal([]byte(writable), &names); err != nil {
		return 0, err
	}
	if err := seal(names); err != nil {
		return 0, err
	}
	cmd, err := again()
	if err != nil {
		return 0, err
	}
	// Otherwise the tests end with this process, whose thread is the same during init.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		case pid == cmd.Process.Pid && status.Signaled():
			return 0, fmt.Errorf("the tests died of signal %v", status.Signal())
		case pid == cmd.Process.Pid:
			return status.ExitStatus(), nil
		}
	}
}

// seal makes all mounts private and read-only, except the directories in writable and
// the files in /proc that belong to processes.
func seal(writable []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	// Binding a directory to itself makes it a mount with its own read-only flag.
	for _, name := range slices.Concat(machineProc, writable) {
		err := unix.Mount(name, name, "", unix.MS_BIND|unix.MS_REC, "")
		if err != nil && !(errors.Is(err, unix.ENOENT) && slices.Contains(machineProc, name)) {
			return fmt.Errorf("bind %s: %w", name, err)
		}
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &readOnly); err != nil {
		return fmt.Errorf("make mounts read-only (needs Linux 5.12): %w", err)
	}
	for _, name := range slices.Concat(writable, []string{"/proc"}) {
		if err := unix.MountSetattr(unix.AT_FDCWD, name, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make %s writable: %w", name, err)
		}
	}
	return nil
}

// machineProc are the files in /proc that belong to the machine, not to a process. Not
// every kernel has all of them.
var machineProc = []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"}

// leftovers returns an error that names the mounts below dir, and the processes whose
// program, working directory or root is there.
func leftovers(dir string) error {
	var errs []error
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if at := strings.Fields(line)[4]; below(at, dir) {
			errs = append(errs, fmt.Errorf("left mounted: %s", at))
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, process := range processes {
		for _, link := range []string{"exe", "cwd", "root"} {
			if to, err := os.Readlink(filepath.Join(process, link)); err == nil && below(to, dir) {
				errs = append(errs, fmt.Errorf("left running: process %s: its %s is %s", filepath.Base(process), link, to))
			}
		}
	}
	return errors.Join(errs...)
}
