// SPDX-License-Identifier: BSD-2-Clause

package pidfile

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestHold is not a test. It is run in a second process, which holds the lock
// until its standard input ends.
func TestHold(t *testing.T) {
	path := os.Getenv("PIDFILE_HOLD")
	if path == "" {
		return
	}
	if _, err := Acquire(path); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("held\n")
	io.Copy(io.Discard, os.Stdin)
}

// hold starts a process that holds the lock. kill kills it.
func hold(t *testing.T, path string) (pid int, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHold$")
	cmd.Env = append(os.Environ(), "PIDFILE_HOLD="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
		in.Close()
	})
	t.Cleanup(kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder printed %q, error %v", line, err)
	}
	return cmd.Process.Pid, kill
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var self = strconv.Itoa(os.Getpid()) + "\n"

func TestAcquireRelease(t *testing.T) {
	tests := []struct {
		name   string
		before string // the file's content; "-" for no file
	}{
		{"new", "-"},
		{"empty", ""},
		{"stale", "4711\n"},
		{"stale and longer than ours", "000000002147483647\n"},
		{"pid of a living process", "1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "utmpd.pid")
			if tt.before != "-" {
				if err := os.WriteFile(path, []byte(tt.before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			l, err := Acquire(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := content(t, path); got != self {
				t.Errorf("the file contains %q, want %q", got, self)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the file has mode %v, error %v, want mode 0600", info.Mode(), err)
			}
			for range 2 {
				if err := l.Release(); err != nil {
					t.Errorf("Release: %v", err)
				}
			}
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after Release: %v, want no file", err)
			}
		})
	}
}

func TestRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmpd.pid")
	pid, kill := hold(t, path)
	for range 2 { // the first try must not release the holder's lock
		_, err := Acquire(path)
		var running *RunningError
		if !errors.As(err, &running) || running.PID != pid {
			t.Fatalf("error %v, want one with pid %d", err, pid)
		}
		if !strings.Contains(err.Error(), strconv.Itoa(pid)) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %q, want one with the pid %d and the path", err, pid)
		}
	}
	if got := content(t, path); got != strconv.Itoa(pid)+"\n" {
		t.Errorf("the file contains %q, want the pid %d", got, pid)
	}
	kill()
	l, err := Acquire(path)
	if err != nil {
		t.Fatalf("after the holder's death: %v", err)
	}
	defer l.Release()
	if got := content(t, path); got != self {
		t.Errorf("the file contains %q, want %q", got, self)
	}
}

func TestRunningButSilent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmpd.pid")
	_, kill := hold(t, path)
	defer kill()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Acquire(path)
	var running *RunningError
	if !errors.As(err, &running) || running.PID != 0 || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want a RunningError without a pid", err)
	}
}

// TestHolderAboutToWrite checks a holder that writes its pid 55 ms after it took
// the lock.
func TestHolderAboutToWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmpd.pid")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(55*time.Millisecond, func() { os.WriteFile(path, []byte("4711\n"), 0o644) })
		if pid := (&Lock{path: path, f: f}).holder(); pid != 4711 {
			t.Errorf("pid %d, want 4711", pid)
		}
	})
}

func TestNotPidFile(t *testing.T) {
	tests := []struct {
		name string
		make func(path string) error
		want error
	}{
		{"symbolic link", func(p string) error {
			return errors.Join(os.WriteFile(p+".x", nil, 0o644), os.Symlink(p+".x", p))
		}, ErrNotPidFile},
		{"dangling link", func(p string) error { return os.Symlink(p+".x", p) }, ErrNotPidFile},
		{"directory", func(p string) error { return os.Mkdir(p, 0o755) }, ErrNotPidFile},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }, ErrNotPidFile},
		{"hard link", func(p string) error {
			return errors.Join(os.WriteFile(p+".x", nil, 0o644), os.Link(p+".x", p))
		}, ErrNotPidFile},
		{"text", func(p string) error { return os.WriteFile(p, []byte("root:x:0:0\n"), 0o644) }, ErrNotPidFile},
		{"long", func(p string) error { return os.WriteFile(p, []byte(strings.Repeat(" ", 31)+"17 more"), 0o644) }, ErrNotPidFile},
		{"no directory", func(p string) error { return os.Remove(filepath.Dir(p)) }, fs.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "utmpd.pid")
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			_, err := Acquire(path)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %v and the path", err, tt.want)
			}
			after, _ := os.Lstat(path)
			if before != nil && (after == nil || !os.SameFile(before, after) || before.Size() != after.Size()) {
				t.Errorf("the file changed from %v to %v", before, after)
			}
			if _, err := os.Lstat(path + ".x"); tt.name == "dangling link" && err == nil {
				t.Error("Acquire created the target of the link")
			}
		})
	}
}

func TestReleaseLeavesAnothersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmpd.pid")
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	if got := content(t, path); got != self {
		t.Errorf("the other lock's file contains %q, want %q", got, self)
	}
}

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmpd.pid")
	l, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if err := l.Check(); err != nil {
		t.Errorf("unchanged: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); !errors.Is(err, ErrLost) {
		t.Errorf("removed: %v, want %v", err, ErrLost)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(); !errors.Is(err, ErrLost) {
		t.Errorf("replaced: %v, want %v", err, ErrLost)
	}
}

// TestStaleDescriptor checks a caller that opened the file before its holder
// removed it: a lock on that file is worth nothing.
func TestStaleDescriptor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "utmpd.pid")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	late := &Lock{path: path, f: f}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if ok, err := late.take(); ok || err != nil {
		t.Errorf("locked a removed file: %v, %v", ok, err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if ok, err := late.take(); ok || err != nil {
		t.Errorf("locked a replaced file: %v, %v", ok, err)
	}
	if got := content(t, path); got != "" {
		t.Errorf("the new file contains %q, want nothing", got)
	}
}

// TestOneAtATime acquires and releases one path from many goroutines.
func TestOneAtATime(t *testing.T) {
	if runtime.GOOS == "solaris" {
		t.Skip("locks of one process do not conflict where OFD locks are missing")
	}
	path := filepath.Join(t.TempDir(), "utmpd.pid")
	var wg sync.WaitGroup
	var holders, turns, mu = 0, 0, sync.Mutex{}
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l, err := Acquire(path)
				var running *RunningError
				if errors.As(err, &running) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if holders++; holders > 1 {
					t.Errorf("%d goroutines hold the lock", holders)
				}
				turns++
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				holders--
				mu.Unlock()
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if turns == 0 {
		t.Error("no goroutine ever held the lock")
	}
}
