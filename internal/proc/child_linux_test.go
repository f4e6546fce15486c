// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// beChild is the main function of a child process. Most kinds print "ready" and
// live until their standard input ends.
func beChild(kind string) int {
	name, arg, _ := strings.Cut(kind, ":")
	code, _ := strconv.Atoi(arg)
	switch name {
	case "exit":
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
		return code
	case "leaderless":
		go func() {
			for s, err := readStat(int32(os.Getpid())); err != nil || s.state != 'Z'; {
				s, err = readStat(int32(os.Getpid()))
			}
			fmt.Println("ready")
			io.Copy(io.Discard, os.Stdin)
			os.Exit(7)
		}()
		unix.Syscall(unix.SYS_EXIT, 0, 0, 0) // exits this thread only
	case "session", "headless": // a leader and a member; a headless one's leader exits first
		cmd := command("exit:0")
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		if name == "session" {
			cmd.Wait()
		}
		return 0
	case "leads": // a session with this pseudo terminal
		if _, err := unix.Setsid(); err != nil {
			fmt.Println(err)
			return 1
		}
		if _, err := os.OpenFile("/dev/pts/"+arg, os.O_RDWR, 0); err != nil { // the first one that a leader opens becomes its own
			fmt.Println(err)
			return 1
		}
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
		return 0
	case "forbidden":
		if err := forbidPidfds(uint32(code)); err != nil {
			fmt.Println(err)
			return 1
		}
		_, open := Open(int32(os.Getpid()))
		_, poller := NewPoller()
		_, find := Find(int32(os.Getpid()))
		fmt.Println(errors.Is(open, ErrNoPidfd), errors.Is(poller, ErrNoPidfd), find)
		return 0
	}
	return 2
}

// forbidPidfds makes pidfd_open(2) fail with errno in this process.
func forbidPidfds(errno uint32) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_PIDFD_OPEN},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x00050000 | errno}, // SECCOMP_RET_ERRNO
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000},         // SECCOMP_RET_ALLOW
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	const setModeFilter, allThreads = 1, 1
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, allThreads, uintptr(unsafe.Pointer(&filter)))
	if failed != 0 {
		return failed
	}
	return nil
}

// child is a running child process of this test binary.
type child struct {
	*exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

func (c *child) pid() int32 { return int32(c.Process.Pid) }

// command returns the command that runs a child of this kind.
func command(kind string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	// The race detector lets each process sleep for a second before it exits.
	cmd.Env = append(os.Environ(), childVar+"="+kind, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// start starts a child and waits until it is ready.
func start(t testing.TB, kind string, with ...func(*exec.Cmd)) *child {
	t.Helper()
	cmd := command(kind)
	for _, option := range with {
		option(cmd)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: cmd, stdin: stdin, out: bufio.NewReader(stdout)}
	t.Cleanup(func() {
		c.Process.Kill()
		c.stdin.Close()
		c.Wait()
	})
	if line, err := c.out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("child %s printed %q, error %v", kind, line, err)
	}
	return c
}

// end lets the child exit if signal is 0, else sends it signal. It waits until
// the child is a zombie.
func (c *child) end(t testing.TB, signal unix.Signal) {
	t.Helper()
	if signal == 0 {
		c.stdin.Close()
	} else if err := c.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	if !settles(func() bool { s, err := readStat(c.pid()); return err == nil && s.ended() }) {
		t.Fatal("the child did not become a zombie")
	}
}
