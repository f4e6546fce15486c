// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// wish is the pipe from which the shell of an X session without a terminal reads what it is to
// do. Who writes to it must not wait: there may be no reader.
func wish(n int) string { return fmt.Sprintf("/tmp/wish-%d", n) }

func makeWish(t *testing.T, n int) (enter func(*testing.T, string)) {
	t.Helper()
	if err := syscall.Mkfifo(wish(n), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "chown", "alice:", wish(n))
	pipe, err := os.OpenFile(wish(n), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pipe.Close() })
	return func(t *testing.T, line string) {
		t.Helper()
		if _, err := fmt.Fprintln(pipe, line); err != nil {
			t.Fatal(err)
		}
	}
}

// displays is the number of sessions that each program of [trees] has.
const displays = 1 + 5

func displayOf(n int) string { return fmt.Sprintf(":%d", 10+n) }

// startXDM: one xdm has all displays, whose sessions are those of .xsession.
func startXDM(t *testing.T) {
	t.Helper()
	var servers, config strings.Builder
	for n := range displays {
		fmt.Fprintf(&servers, "%s local /usr/bin/Xvfb %[1]s -screen 0 640x480x8 -nolisten tcp -ac\n", displayOf(n))
	}
	config.WriteString("DisplayManager*authorize: false\n")
	appendFile(t, "/etc/X11/xdm/xdm-config", config.String())
	if err := os.WriteFile("/etc/X11/xdm/Xservers", []byte(servers.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	session := "#!/bin/sh\nexec /usr/local/bin/plain-session /tmp/wish-$((${DISPLAY#:} - 10))\n"
	writeFiles(t, map[string]string{"/usr/local/bin/plain-session": plainSession})
	if err := os.WriteFile("/home/alice/.xsession", []byte(session), 0o755); err != nil {
		t.Fatal(err)
	}
	daemon(t, "/usr/bin/xdm", "-nodaemon")
}

func appendFile(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// loginXDM types into xdm's greeter. sessreg records xdm's process for the display.
func loginXDM(t *testing.T, n int) *session {
	t.Helper()
	enter := makeWish(t, n)
	before := entries(t)
	key := func(args ...string) error {
		cmd := exec.Command("xdotool", args...)
		cmd.Env = append(os.Environ(), "DISPLAY="+displayOf(n))
		return cmd.Run()
	}
	waitFor(t, generous, "xdm's greeter on "+displayOf(n), func() bool { return key("search", "--onlyvisible", "--class", "xlogin") == nil })
	if err := key("type", "--delay", "20", "alice\nalice\n"); err != nil {
		t.Fatal(err)
	}
	entry := awaitUser(t, before, func(r utmpx.Record) bool { return r.Line == displayOf(n) })
	return onServer(t, &session{entry: entry, enter: enter})
}

// onServer completes a login on an X server. Its client is what shows the session there.
func onServer(t *testing.T, s *session) *session {
	t.Helper()
	s.withShell(t)
	s.client, s.server = s.server, int(s.entry.PID)
	return s
}

// lightdmConfig logs alice in at once, on an X server without a screen.
const lightdmConfig = `[LightDM]
logind-check-graphical=false
minimum-display-number=%[1]d
minimum-vt=%[1]d
run-directory=%[2]s/run
log-directory=%[2]s/log
cache-directory=%[2]s/cache
[Seat:*]
xserver-command=/usr/local/bin/plain-x
autologin-user=alice
autologin-session=plain%[3]d
session-wrapper=/usr/local/bin/plain-session
`

// plainX has the arguments of Xorg, which lightdm calls it with. plainSession is a session that
// does what is written to a pipe, and ends with its X server, as people's sessions do.
const (
	plainX       = "#!/bin/sh\ndisplay=$1\nwhile [ $# -gt 1 ] && [ \"$1\" != -auth ]; do shift; done\nexec Xvfb $display -screen 0 640x480x8 -nolisten tcp -auth $2\n"
	plainSession = "#!/bin/sh\nexec xterm -ut -e sh -c \"exec sh <$1\"\n"
)

func startLightDM(t *testing.T) {
	t.Helper()
	writeFiles(t, map[string]string{"/usr/local/bin/plain-x": plainX, "/usr/local/bin/plain-session": plainSession})
	run(t, "mkdir", "-p", "/usr/share/xsessions", "/var/lib/lightdm/data", "/run/dbus")
}

// loginLightDM: each session has a lightdm of its own, and each of those a bus.
func loginLightDM(t *testing.T, n int) *session {
	t.Helper()
	enter := makeWish(t, n)
	before := entries(t)
	dir := fmt.Sprintf("/tmp/lightdm-%d", n)
	run(t, "mkdir", "-p", dir+"/run", dir+"/log", dir+"/cache")
	entry := fmt.Sprintf("[Desktop Entry]\nName=plain\nExec=%s\nType=Application\n", wish(n))
	if err := os.WriteFile(fmt.Sprintf("/usr/share/xsessions/plain%d.desktop", n), []byte(entry), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/conf", fmt.Appendf(nil, lightdmConfig, 10+n, dir, n), 0o644); err != nil {
		t.Fatal(err)
	}
	bus := "unix:path=" + dir + "/bus"
	daemon(t, "/usr/bin/dbus-daemon", "--nofork", "--nopidfile", "--system", "--address="+bus)
	waitFor(t, generous, "a bus", func() bool { return exists(dir + "/bus") })
	cmd := exec.Command("/usr/sbin/lightdm", "-c", dir+"/conf", "--pid-file", dir+"/pid")
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+bus)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	return onServer(t, &session{entry: awaitUser(t, before, anyRecord), enter: enter})
}

func writeFiles(t *testing.T, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// inKonsole: konsole is the shell's parent, and has the record written by utempter.
func inKonsole(t *testing.T, n int) *session {
	t.Helper()
	before := entries(t)
	cmd := onDisplay("konsole")
	dir := fmt.Sprintf("/tmp/konsole-%d", n)
	run(t, "install", "-d", "-m", "700", "-o", "alice", dir)
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir, "LANG=C.UTF-8")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	return windowOf(t, awaitEntry(t, before, "konsole"))
}
