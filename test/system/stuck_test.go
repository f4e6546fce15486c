// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// stuckX starts a process of a user that has the name and the arguments of an X server, and
// of whose memory nobody can read anything: neither its arguments.
func stuckX(t *testing.T, uid uint32, display string) *lineProgram {
	t.Helper()
	const device = "/fuse/open"
	if err := os.MkdirAll("/fuse", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := makeDevice(device, 10, 229); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	if err := os.Chmod(device, 0o666); err != nil { // as udev makes /dev/fuse
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/run/x%d", uid)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	server, file := filepath.Join(dir, "Xorg"), filepath.Join(dir, "file")
	if err := os.Rename(compile(t, "stuck"), server); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(server, device, file, display)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	x := startLines(t, cmd)
	go func() { <-t.Context().Done(); syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }() // its server, too
	x.until(t, "stuck")
	mustHang(t, cmd.Process.Pid)
	return x
}

// mustHang waits until a program that reads the arguments of a process waits in the kernel.
func mustHang(t *testing.T, pid int) {
	t.Helper()
	arguments := fmt.Sprintf("/proc/%d/cmdline", pid)
	waitFor(t, generous, "the arguments to be locked", func() bool {
		reader := exec.Command("cat", arguments)
		if err := reader.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- reader.Wait() }()
		defer reader.Process.Kill()
		for {
			select {
			case <-ended:
				return false
			default:
			}
			var call, fd uint64
			look := fmt.Sprintf("/proc/%d/", reader.Process.Pid)
			wait, _ := os.ReadFile(look + "syscall")
			fmt.Sscanf(string(wait), "%d %v", &call, &fd)
			if file, err := os.Readlink(fmt.Sprintf("%sfd/%d", look, fd)); call == unix.SYS_READ && err == nil && file == arguments {
				return true
			}
		}
	})
}

// TestStuckXServer: an ordinary user gives a process the name of an X server, and locks its
// memory. It costs nobody else's session anything, and his own only that it stays.
func TestStuckXServer(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const alice = 1000
	p := beside(t)
	stuckX(t, mallory, ":7")
	of := sessreg(t, ":7", p.d)
	p.d.waitLog(t, "session left alone", "line=:7", "not seen alive for a minute")
	own := stuckX(t, alice, ":9")
	shown := sessreg(t, ":9", p.d)
	p.d.waitLog(t, "session left alone", "line=:9", "who shows its display cannot be known")
	if got := utmpctl(t, nil, "who", "-v", record(t, "x/9", own.cmd).entry.Line); !strings.Contains(got, "[Xorg]") {
		t.Errorf("utmpctl does not describe the process: %s", got)
	}
	died := p.dies.kill(t)
	p.mustHold(t, died)
	of.mustStand(t)
	shown.mustStand(t)
}
