package daemon

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSystemd runs utmpd as systemd would, and hears what it says.
func TestSystemd(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for name, text := range map[string]string{
		"utmp": "", "wtmp": "",
		"conf": "UTMPX_FILE=" + dir + "/utmp\nWTMPX_FILE=" + dir + "/wtmp\nRUN_DIR=" + dir + "/run\nSTATE_DIR=" + dir + "/state\n",
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
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=400000")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()

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
	err, ended = cmd.Wait(), true
	if err != nil {
		t.Errorf("utmpd: %v", err)
	}
}
