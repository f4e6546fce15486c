// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/session"
)

// TestPAMRecorded decides by what PAM says of a session.
func TestPAMRecorded(t *testing.T) {
	tests := []struct {
		name string
		p    pamSession
		want bool
	}{
		{"login", pamSession{service: "login", user: "alice", tty: "/dev/null"}, true},
		{"without /dev", pamSession{service: "login", user: "alice", tty: "null"}, true},
		{"xrdp", pamSession{service: "xrdp-sesman", user: "alice", tty: ":10"}, true},
		{"a screen", pamSession{service: "xdm", user: "alice", tty: ":0.0"}, true},
		{"ssh", pamSession{service: "sshd", user: "alice", tty: "ssh"}, false},
		{"cron", pamSession{service: "cron", user: "alice", tty: "cron"}, false},
		{"no terminal", pamSession{service: "cockpit", user: "alice"}, false},
		{"no terminal of that name", pamSession{service: "login", user: "alice", tty: "/dev/pts/999999"}, false},
		{"out of /dev", pamSession{service: "login", user: "alice", tty: "/dev/../dev/null"}, false},
		{"out of it, and not back", pamSession{service: "login", user: "alice", tty: "../etc/passwd"}, false},
		{"a directory", pamSession{service: "login", user: "alice", tty: "pts"}, false},
		{"another machine's display", pamSession{service: "xdm", user: "alice", tty: "far:0"}, false},
		{"no display", pamSession{service: "xdm", user: "alice", tty: ":x"}, false},
		{"nobody", pamSession{service: "login", tty: "null"}, false},
		{"su of root", pamSession{service: "su-l", user: "alice", tty: "null"}, false},
		{"su of a user", pamSession{service: "another-su", user: "root", tty: "null", uid: 1000}, false},
		{"a greeter", pamSession{service: "sddm-greeter", user: "sddm", tty: ":0"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.recorded("/dev"); got != tt.want {
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
		p := pamSession{service: "login", user: "alice", tty: "null", pid: int32(pid)}
		if got := p.recorded("/dev"); got == want {
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
	l.check(os.Remove(l.path("utmp")))
	do("open_session", "no such file or directory; utmpctl boot makes it")
	l.check(os.WriteFile(filepath.Join(l.dir, "conf"), []byte("UTMPX_FILE=/var/log/wtmp\n"), 0o600))
	do("open_session", "wtmp is the name of a log")
}
