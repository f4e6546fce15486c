// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// TestPAMRecorded decides by what PAM says of a session.
func TestPAMRecorded(t *testing.T) {
	tests := []struct {
		name string
		p    pamSession
		want bool
	}{
		{"login", pamSession{service: "login", user: "alice", tty: "/dev/pts/3"}, true},
		{"without /dev", pamSession{service: "login", user: "alice", tty: "pts/3"}, true},
		{"xrdp", pamSession{service: "xrdp-sesman", user: "alice", tty: ":10"}, true},
		{"a screen", pamSession{service: "xdm", user: "alice", tty: ":0.0"}, true},
		{"ssh", pamSession{service: "sshd", user: "alice", tty: "ssh"}, false},
		{"cron", pamSession{service: "cron", user: "alice", tty: "cron"}, false},
		{"no terminal", pamSession{service: "cockpit", user: "alice"}, false},
		{"no terminal of that name", pamSession{service: "login", user: "alice", tty: "/dev/tty99"}, false},
		{"another machine's display", pamSession{service: "xdm", user: "alice", tty: "far:0"}, false},
		{"no display", pamSession{service: "xdm", user: "alice", tty: ":x"}, false},
		{"no number", pamSession{service: "xdm", user: "alice", tty: ":..."}, false},
		{"two screens", pamSession{service: "xdm", user: "alice", tty: ":1.2.3"}, false},
		{"a number that no display has", pamSession{service: "xdm", user: "alice", tty: ":70000"}, false},
		{"a long number", pamSession{service: "xdm", user: "alice", tty: ":" + strings.Repeat("0", 40) + "1"}, false},
		{"two lines", pamSession{service: "xdm", user: "alice", tty: ":1\n2"}, false},
		{"nobody", pamSession{service: "login", tty: "pts/3"}, false},
		{"su of root", pamSession{service: "su-l", user: "alice", tty: "pts/3"}, false},
		{"run0", pamSession{service: "systemd-run0", user: "alice", tty: "pts/3"}, false},
		{"su of a user", pamSession{service: "another-su", user: "root", tty: "pts/3", uid: 1000}, false},
		{"a greeter", pamSession{service: "sddm-greeter", user: "sddm", tty: ":0"}, false},
	}
	terminal := func(line string) bool { return line == "pts/3" }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.recorded(terminal); got != tt.want {
				t.Errorf("recorded = %v", got)
			}
		})
	}
}

// TestRecordsItself looks at programs that run: this one contains the names.
func TestRecordsItself(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		sleep.Process.Kill()
		sleep.Wait()
	}()
	for pid, want := range map[int]bool{os.Getpid(): true, sleep.Process.Pid: false, 1 << 30: false} {
		p := pamSession{service: "login", user: "alice", tty: ":0", pid: int32(pid)}
		if got := p.recorded(nil); got == want {
			t.Errorf("process %d: recorded = %v", pid, got)
		}
	}
}

// TestWritesRecords looks at programs.
func TestWritesRecords(t *testing.T) {
	for text, want := range map[string]bool{
		"\x7fELF\x00pututxline\x00":                true,
		"\x7fELF\x00getpwnam\x00logwtmp\x00x":      true,
		"\x7fELF\x00getpwnam\x00my_pututxline\x00": false,
		"\x7fELF\x00pututxline failed\x00":         false,
		"":                                         false,
	} {
		if got := writesRecords(strings.NewReader(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestAsText has names that another machine chose.
func TestAsText(t *testing.T) {
	for text, want := range map[string]string{
		"alice": "alice", "a\x1b[2Jb\nc": "a?[2Jb?c", "\xff": "?", strings.Repeat("x", 40): strings.Repeat("x", 32),
		strings.Repeat("x", 31) + "é": strings.Repeat("x", 31),
	} {
		if got := session.FieldText(text, 32); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestPAM opens and closes a session as pam_exec does, with files that fail, too: the exit
// status is 0.
func TestPAM(t *testing.T) {
	l := newDesk(t)
	l.caller = 501
	t.Setenv("PAM_SERVICE", "xrdp-sesman")
	t.Setenv("PAM_USER", "alice")
	t.Setenv("PAM_TTY", ":10")
	t.Setenv("PAM_RHOST", "")
	do := func(kind, says string) {
		t.Helper()
		t.Setenv("PAM_TYPE", kind)
		if status, out, errs := l.try("pam"); status != 0 || out != "" || !strings.Contains(errs, says) || says == "" && errs != "" {
			t.Errorf("%s: status %d, %s%s, want %q", kind, status, out, errs, says)
		}
	}
	if os.Getuid() != 0 {
		do("open_session", "")
		l.has("utmp")
		t.Skip("PAM's programs run as root")
	}
	const in, out = "09:00:00 USER alice :10 501 [:10] ", "10:00:00 DEAD  :10 501 [:10] "
	do("close_session", "")
	do("open_session", "")
	do("open_session", "")
	l.has("utmp", in)
	l.has("wtmp", in)
	l.until("10:00")
	do("close_session", "")
	do("close_session", "")
	l.has("utmp", out)
	l.has("wtmp", in, out)
	do("open_session", "")
	l.caller = 502
	do("close_session", "") // of another session
	l.has("utmp", strings.Replace(in, "09:00", "10:00", 1))
	do("auth", "PAM_TYPE is neither open_session nor close_session")
	l.caller = 1
	do("open_session", "process 1 is init")
	l.caller = 501
	l.check(os.Remove(l.path("utmp")))
	do("open_session", "no such file or directory; utmpctl boot makes it")
	l.check(os.WriteFile(filepath.Join(l.dir, "conf"), []byte("UTMPX_FILE=/var/log/wtmp\n"), 0o600))
	do("open_session", "wtmp is the name of a log")
}

// newPAM returns a desk at which PAM's program is process 513, and what PAM does there.
func newPAM(t *testing.T) (l *lab, do func(kind string)) {
	if os.Getuid() != 0 {
		t.Skip("PAM's programs run as root")
	}
	l = newDesk(t)
	l.caller, l.living[513] = 513, true
	t.Setenv("PAM_SERVICE", "wdm")
	t.Setenv("PAM_USER", "alice")
	t.Setenv("PAM_TTY", ":0")
	t.Setenv("PAM_RHOST", "")
	return l, func(kind string) {
		t.Helper()
		t.Setenv("PAM_TYPE", kind)
		if status, out, errs := l.try("pam"); status != 0 || out != "" || errs != "" {
			t.Errorf("%s: status %d, %s%s", kind, status, out, errs)
		}
	}
}

// TestPAMRecordGone closes a session whose record another program has overwritten: the login
// in the log is closed, if it is still open and the session's.
func TestPAMRecordGone(t *testing.T) {
	l, do := newPAM(t)
	const in, out = "09:00:00 USER alice :0 513 [:0] ", "10:00:00 DEAD  :0 513 [:0] "
	do("open_session")
	l.write("utmp", encode(t, system(utmpx.BootTime, "reboot", "08:00")))
	l.until("10:00")
	l.caller = 514
	do("close_session") // of another program
	l.has("wtmp", in)
	l.caller = 513
	do("close_session")
	l.has("wtmp", in, out)
	do("close_session")
	l.has("wtmp", in, out)
}

// TestPAMSessreg has a display manager whose script runs sessreg(1), which records the script's
// process: it has ended when PAM is asked. The record gets the process that lives as long as the
// session, and the login stays the only one.
func TestPAMSessreg(t *testing.T) {
	record := func(line, host string, pid int32, when string) utmpx.Record {
		r := login(line, pid, when)
		r.ID, r.Host = ":0", host
		return r
	}
	const in = "09:00:00 USER alice :0 513 [:0] "
	tests := []struct {
		name  string
		there utmpx.Record
		file  string // "": as it was
		again bool   // a login is appended
	}{
		{"a server of the machine", record("console", ":0", 700, "08:59:59"), "09:00:00 USER alice console 513 [:0] :0", false},
		{"a line of its own", record(":0", "", 700, "08:59:59"), in, false},
		{"of this process", record("console", ":0", 513, "08:59:59"), "", false},
		{"a session before", record("console", ":0", 700, "08:30"), in, true},
		{"another user's", func() utmpx.Record { r := record(":0", "", 700, "08:59:59"); r.User = "bob"; return r }(), in, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, do := newPAM(t)
			l.write("utmp", encode(t, system(utmpx.BootTime, "reboot", "08:00"), tt.there))
			l.logs(tt.there)
			file, log := l.rows("utmp"), l.rows("wtmp")
			do("open_session")
			do("open_session")
			if tt.file != "" {
				file = []string{tt.file}
			}
			l.has("utmp", file...)
			if tt.again {
				log = append(log, in)
			}
			l.has("wtmp", log...)
			l.until("10:00")
			do("close_session")
			if n := len(l.rows("wtmp")); tt.file != "" && n != len(log)+1 {
				t.Errorf("after the end the log has %q", l.rows("wtmp"))
			}
			for _, r := range l.rows("utmp") {
				if tt.file != "" && !strings.Contains(r, "DEAD") {
					t.Errorf("after the end: %s", r)
				}
			}
		})
	}
}

// TestPAMScript has a script between PAM and utmpctl, which names PAM's program.
func TestPAMScript(t *testing.T) {
	l, _ := newPAM(t)
	l.caller = 700
	t.Setenv("PAM_TYPE", "open_session")
	l.do("pam", "-pid", "513")
	l.has("utmp", "09:00:00 USER alice :0 513 [:0] ")
}
