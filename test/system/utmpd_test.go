// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// grace is the default GRACE_PERIOD, which the tests do not change.
const grace = time.Second

const configFile = "/etc/default/utmpd"

// utmpd is a running daemon.
type utmpd struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // its exit, once done

	log output
}

// output collects what a program writes while others read it.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (d *utmpd) logged() string { return d.log.String() }

// configure writes the daemon's settings.
func configure(t *testing.T, keys ...string) {
	t.Helper()
	if err := os.WriteFile(configFile, []byte(strings.Join(keys, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startUtmpd starts the daemon with the given settings and returns when it has sent
// READY=1. At the end of the test it kills the daemon, and shows its log if the test
// failed.
func startUtmpd(t *testing.T, keys ...string) *utmpd {
	t.Helper()
	configure(t, keys...)
	return startUtmpdAs(t, nil)
}

// startUtmpdAs is startUtmpd as another user, with the settings already in place and
// with further flags.
func startUtmpdAs(t *testing.T, as *syscall.Credential, flags ...string) *utmpd {
	t.Helper()
	return startUtmpdBy(t, utmpdCommand(as, flags...))
}

func utmpdCommand(as *syscall.Credential, flags ...string) *exec.Cmd {
	cmd := exec.Command(utmpdBinary, append([]string{"-foreground", "-config", configFile}, flags...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	return cmd
}

// startUtmpdBy is startUtmpd through a command that executes the daemon.
func startUtmpdBy(t *testing.T, cmd *exec.Cmd) *utmpd {
	t.Helper()
	d := &utmpd{cmd: cmd, done: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	ready := notifySocket(t)
	d.cmd.Env = append(d.cmd.Environ(), "NOTIFY_SOCKET="+notifyPath)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("utmpd's log:\n%s", ends(d.logged()))
		}
	})
	waitFor(t, generous, "utmpd's READY=1", func() bool {
		select {
		case <-d.done:
			t.Fatalf("utmpd ended: %v\n%s", d.err, d.logged())
		default:
		}
		return ready()
	})
	return d
}

const notifyPath = "/run/notify"

// notifySocket creates the socket of a service manager and returns a function that
// reports whether READY=1 was received.
func notifySocket(t *testing.T) func() bool {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	os.Remove(notifyPath)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: notifyPath}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(notifyPath, 0o666); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		b := make([]byte, 4096)
		for {
			n, err := unix.Read(fd, b)
			if err != nil {
				return false
			}
			for line := range strings.Lines(string(b[:n])) {
				if strings.TrimSpace(line) == "READY=1" {
					return true
				}
			}
		}
	}
}

// ends shortens a long text to its beginning and its end.
func ends(text string) string {
	const most = 8 << 10
	if len(text) <= 2*most {
		return text
	}
	return text[:most] + fmt.Sprintf("\n[%d bytes left out]\n", len(text)-2*most) + text[len(text)-most:]
}

// kill ends the daemon at once, as a crash would.
func (d *utmpd) kill() {
	d.cmd.Process.Kill()
	<-d.done
}

// stop ends the daemon as a service manager does.
func (d *utmpd) stop(t *testing.T) {
	t.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(generous):
		t.Fatalf("utmpd did not end on SIGTERM\n%s", d.logged())
	}
	if d.err != nil {
		t.Errorf("utmpd ended on SIGTERM with %v", d.err)
	}
}

// waitLog waits for a line of the log that contains all the words.
func (d *utmpd) waitLog(t *testing.T, words ...string) string {
	t.Helper()
	var found string
	waitFor(t, generous, "a line of the log with "+strings.Join(words, ", "), func() bool {
		for line := range strings.Lines(d.logged()) {
			if containsAll(line, words) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

func containsAll(s string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(s, word) {
			return false
		}
	}
	return true
}
