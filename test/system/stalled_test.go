// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStalledLog gives utmpd a full pipe for its log, as of a reader that hangs. utmpd
// starts, marks the dead, and ends when told to; the lines are there when the pipe is read.
func TestStalledLog(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	cmd, r := startStalled(t)
	first := dwell(t, "x/1")
	statusSays(t, "watched: 1")
	first.mustGo(t, first.kill(t))

	read := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		read <- b
	}()
	second := dwell(t, "x/2")
	statusSays(t, "watched: 1")
	second.mustGo(t, second.kill(t))
	cmd.Process.Signal(syscall.SIGTERM)
	text := string(<-read)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"utmpd started", "line=x/1 ", "line=x/2 ", "utmpd ended"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %s", want)
		}
	}
}

// TestStalledLogEnds ends utmpd while nobody reads its log.
func TestStalledLogEnds(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	cmd, _ := startStalled(t)
	cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	waitFor(t, generous, "utmpd to end", func() bool {
		select {
		case err := <-ended:
			return err == nil
		default:
			return false
		}
	})
}

// startStalled starts utmpd with a full pipe for its log.
func startStalled(t *testing.T) (cmd *exec.Cmd, r *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	size, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	configure(t)
	cmd = exec.Command(utmpdBinary, "-foreground", "-config", configFile)
	cmd.Stderr = w
	ready := notifySocket(t)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notifyPath)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { cmd.Process.Kill() })
	waitFor(t, generous, "utmpd to be ready", ready)
	return cmd, r
}
