// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/utmpx"
)

// start runs utmpd on files in dir, with more configuration and environment. It
// is killed when the test ends, if it still runs.
func start(t *testing.T, dir, conf string, env ...string) *exec.Cmd {
	t.Helper()
	for name, text := range map[string]string{
		"utmp": "", "wtmp": "",
		"conf": "UTMPX_FILE=" + dir + "/utmp\nWTMPX_FILE=" + dir + "/wtmp\nSTATE_DIR=" + dir + "/state\n" + conf,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The test binary is utmpd under that name: see TestMain.
	bin := filepath.Join(dir, "utmpd")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, bin); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-foreground", "-config", filepath.Join(dir, "conf"))
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

// TestSystemd runs utmpd as systemd would, and hears what it says.
func TestSystemd(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	cmd := start(t, dir, "RUN_DIR="+dir+"/run\n", "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=400000")

	// hear waits for a message that holds what is wanted. Others may come before.
	hear := func(want ...string) {
		t.Helper()
		buf := make([]byte, 4096)
		_ = socket.SetReadDeadline(time.Now().Add(patience))
		for {
			n, err := socket.Read(buf)
			if err != nil {
				t.Fatalf("never heard %q: %v", want, err)
			}
			msg, all := string(buf[:n]), true
			for _, w := range want {
				all = all && strings.Contains(msg, w)
			}
			if all {
				return
			}
		}
	}
	hear("READY=1")
	hear("STATUS=")
	hear("WATCHDOG=1")
	hear("WATCHDOG=1")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	hear("RELOADING=1", "MONOTONIC_USEC=")
	hear("READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("utmpd: %v", err)
	}
}

// A SIGHUP while utmpd still starts does not make it ready.
func TestReloadBeforeReady(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	systemd := sdnotify.New(func(key string) string {
		if key == "NOTIFY_SOCKET" {
			return filepath.Join(dir, "notify")
		}
		return ""
	})
	log := slog.New(slog.DiscardHandler)
	d := &daemon{
		cfg:       settings{file: filepath.Join(dir, "none"), log: log},
		readiness: newReadiness(systemd, log, func() {}),
	}
	d.reload()
	d.readiness.reached = true
	d.reload()
	_ = systemd.Stopping()
	buf := make([]byte, 4096)
	for _, want := range []string{"RELOADING=1", "READY=1", "STOPPING=1"} {
		_ = socket.SetReadDeadline(time.Now().Add(patience))
		n, err := socket.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
			t.Fatalf("%q, %v, want %s", buf[:n], err, want)
		}
	}
}

// Without a RUN_DIR there is nowhere to save the table; that must not keep utmpd busy.
func TestAtRestWithoutRunDir(t *testing.T) {
	dir := t.TempDir()
	cmd := start(t, dir, "RUN_DIR="+dir+"/utmp/run\nPIPE_FILE="+dir+"/pipe\n")
	cpu := func() int {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		return user + system
	}
	// Wait for it to work: it has opened the pipe, and then read the file.
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(dir + "/state/heartbeat"); err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatal("utmpd does not start")
		}
	}
	r := utmpx.Record{Type: utmpx.UserProcess, PID: int32(os.Getpid()), Line: "pts/90", ID: "s/90", User: "alice", Time: utmpx.TimeOf(time.Now())}
	if _, err := recfile.NewFile(dir+"/utmp", recfile.Options{}).Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	before := cpu()
	time.Sleep(2 * time.Second)
	if used := cpu() - before; used > 50 {
		t.Errorf("%d ms of CPU in two seconds of rest", 10*used)
	}
}
