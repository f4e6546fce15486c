// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// boot is a running machine with an init as its process 1, systemd if nothing else is said.
type boot struct {
	m   *machine
	cmd *exec.Cmd
	pid int // of its process 1
	log bytes.Buffer
}

// generous is how long to wait for an event on a busy machine.
const generous = 2 * time.Minute

// start boots the machine with systemd.
func (m *machine) start() *boot {
	m.t.Helper()
	b := m.power("", "--system", "--log-target=journal", "--show-status=no", "--unit=multi-user.target")
	m.eventually("systemd to answer", func() bool {
		_, status := b.try("systemctl is-system-running --wait | grep -E '^(running|degraded)$'")
		return status == 0
	})
	return b
}

// power starts an init as process 1: systemd, if its name is empty. Every boot has its own
// boot ID.
func (m *machine) power(init string, args ...string) *boot {
	m.t.Helper()
	b := &boot{m: m, cmd: m.guest("boot", args...)}
	id := fmt.Sprintf("BOOT_ID=%08x-%04x-4000-8000-%012x", os.Getpid(), len(m.t.Name()), time.Now().UnixNano()&(1<<48-1))
	b.cmd.Env = append(b.cmd.Env, id, "INIT="+init)
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	pidFile := filepath.Join(m.dir, "pid")
	os.Remove(pidFile)
	if err := b.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(b.cut)
	m.eventually("the machine to have a process 1", func() bool {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return false
		}
		b.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	return b
}

// try runs a shell script on the running machine.
func (b *boot) try(script string) (string, int) {
	b.m.t.Helper()
	cmd := exec.Command("nsenter", "-t", strconv.Itoa(b.pid), "-m", "-p", "-u", "-i", "-n", "-C", "-T", "-r", "-w",
		"/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "SYSTEMD_PAGER=", "/bin/sh", "-c", "set -eu\n"+script)
	return b.m.command(cmd)
}

func (b *boot) sh(script string) string {
	b.m.t.Helper()
	out, status := b.try(script)
	if status != 0 {
		journal, _ := b.try("journalctl --no-pager -b -o short-monotonic | tail -60")
		b.m.t.Fatalf("status %d of:\n%s\n\nwhich says:\n%s\n\njournal:\n%s", status, script, out, journal)
	}
	return out
}

// waitFor waits until a script succeeds.
func (b *boot) waitFor(what, script string) {
	b.m.t.Helper()
	b.m.eventually(what, func() bool { _, status := b.try(script); return status == 0 })
}

func (m *machine) eventually(what string, done func() bool) {
	m.t.Helper()
	for end := time.Now().Add(generous); ; time.Sleep(50 * time.Millisecond) {
		if done() {
			return
		}
		if time.Now().After(end) {
			m.t.Fatalf("waited %v for %s", generous, what)
		}
	}
}

// cut cuts the power.
func (b *boot) cut() {
	if b.cmd.ProcessState != nil {
		return
	}
	if b.pid != 0 {
		syscall.Kill(b.pid, syscall.SIGKILL)
	}
	b.cmd.Wait()
}

// shutDown shuts the machine down as an operator would, and waits until it is off.
func (b *boot) shutDown() {
	b.m.t.Helper()
	b.try("systemctl poweroff")
	b.down()
}

// down waits until the machine is off.
func (b *boot) down() {
	b.m.t.Helper()
	ended := make(chan struct{})
	go func() { b.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(generous):
		b.m.t.Fatalf("it does not shut down:\n%s", b.log.String())
	}
}

// login starts a session of a user on a line. At shutdown it ends as late as user
// sessions do.
func (b *boot) login(user, line string) {
	b.m.t.Helper()
	b.sh(fmt.Sprintf(`systemd-run -q --unit=session-%s --property=After=systemd-user-sessions.service \
		--property=KillSignal=SIGKILL --setenv=%s=%s:%s /usr/local/bin/packages.test`, user, sessionEnv, user, line))
	b.waitFor(user+" to be watched", `grep -q "^watched: [1-9]" /run/utmpd/status`)
}
