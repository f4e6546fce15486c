// SPDX-License-Identifier: BSD-2-Clause

// Package services contains the service files. Its tests run the scripts as the
// service managers other than systemd do, with stand-ins for the programs.
package services

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stage is a directory of stand-in programs that record their arguments in a file.
type stage struct {
	t   *testing.T
	dir string
}

func newStage(t *testing.T) *stage {
	s := &stage{t, t.TempDir()}
	for _, name := range []string{"utmpctl", "utmpd", "pkill", "svcprop"} {
		s.program(name, `echo "${0##*/} $*" >>"${0%/*}/calls"`)
	}
	return s
}

func (s *stage) program(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a script of this directory with shell code before and after it, and returns
// the recorded calls. The paths of the programs are the stage's.
func (s *stage) run(script, before, after string, env ...string) (calls string, status int) {
	s.t.Helper()
	text, err := os.ReadFile(script)
	if err != nil {
		s.t.Fatal(err)
	}
	paths := strings.NewReplacer("/usr/sbin/", s.dir+"/", "/usr/bin/", s.dir+"/",
		". /lib/lsb/init-functions", "log_daemon_msg() { :; }; log_end_msg() { :; }",
		". /lib/svc/share/smf_include.sh", "SMF_EXIT_OK=0 SMF_EXIT_ERR_FATAL=95 SMF_EXIT_ERR_CONFIG=96")
	cmd := exec.Command("/bin/sh", "-c", before+"\n"+paths.Replace(string(text))+"\n"+after)
	cmd.Env = append(env, "PATH="+s.dir+":/usr/bin:/bin")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	s.t.Logf("%s", out)
	b, _ := os.ReadFile(filepath.Join(s.dir, "calls")) // no file means no calls
	return strings.TrimSpace(string(b)), cmd.ProcessState.ExitCode()
}

// TestShutdownIsTheEnd checks that a shutdown is recorded when the machine goes down,
// and only then.
func TestShutdownIsTheEnd(t *testing.T) {
	const openrc = `yesno() { [ "$1" = YES ]; }; ebegin() { :; }; eend() { return $1; }`
	tests := []struct {
		name, script, before, after string
		env                         []string
		want                        string
	}{
		{"OpenRC goes down", "openrc/utmpd-boot", openrc, "stop", []string{"RC_GOINGDOWN=YES", "RC_RUNLEVEL=shutdown"}, "utmpctl shutdown"},
		{"OpenRC goes to single user", "openrc/utmpd-boot", openrc, "stop", []string{"RC_GOINGDOWN=YES", "RC_RUNLEVEL=single"}, ""},
		{"OpenRC stops the service", "openrc/utmpd-boot", openrc, "stop", []string{"RC_RUNLEVEL=default"}, ""},
		{"sysvinit halts", "sysv/utmpd-boot", "set -- stop", "", []string{"RUNLEVEL=0"}, "utmpctl shutdown"},
		{"sysvinit reboots", "sysv/utmpd-boot", "set -- stop", "", []string{"RUNLEVEL=6"}, "utmpctl shutdown"},
		{"sysvinit goes to single user", "sysv/utmpd-boot", "set -- stop", "", []string{"RUNLEVEL=1"}, ""},
		{"sysvinit stops the service", "sysv/utmpd-boot", "set -- stop", "", nil, ""},
		{"OpenRC goes down, with sysvinit's script", "sysv/utmpd-boot", "set -- stop", "", []string{"RC_GOINGDOWN=YES", "RC_RUNLEVEL=shutdown"}, "utmpctl shutdown"},
		{"OpenRC stops the service, with sysvinit's script", "sysv/utmpd-boot", "set -- stop", "", []string{"RC_RUNLEVEL=default"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls, status := newStage(t).run(tt.script, tt.before, tt.after, tt.env...)
			if calls != tt.want || status != 0 {
				t.Errorf("called %q, status %d, want %q", calls, status, tt.want)
			}
		})
	}
	// s6-rc stops an essential service only when the machine goes down (-D).
	if _, err := os.Stat("s6/utmpd-boot/flag-essential"); err != nil {
		t.Error(err)
	}
}

// TestSMFRefresh checks that a refresh succeeds although the configuration has a fault:
// a failing refresh method puts the service into maintenance while utmpd runs.
func TestSMFRefresh(t *testing.T) {
	s := newStage(t)
	s.program("svcprop", "echo 17")
	s.program("utmpd", "echo fault >&2; exit 1")
	calls, status := s.run("smf/site-utmpd", "set -- refresh", "")
	if want := "pkill -HUP -x -c 17 utmpd"; calls != want || status != 0 {
		t.Errorf("called %q, status %d, want %q", calls, status, want)
	}
}

// TestShutdownByLink checks that a runit that runs the links of sysvinit's runlevels, and sets
// no RUNLEVEL, has a shutdown recorded, and not when somebody stops the service by its script.
func TestShutdownByLink(t *testing.T) {
	text, err := os.ReadFile("sysv/utmpd-boot")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"rc6.d/K01utmpd-boot": "utmpctl shutdown\n", "rc0.d/K01utmpd-boot": "utmpctl shutdown\n", "rc1.d/K01utmpd-boot": "", "init.d/utmpd-boot": ""} {
		s := newStage(t)
		script := filepath.Join(s.dir, name)
		paths := strings.NewReplacer("/usr/bin/utmpctl", s.dir+"/utmpctl", ". /lib/lsb/init-functions", "log_daemon_msg() { :; }; log_end_msg() { :; }")
		if err := os.Mkdir(filepath.Dir(script), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(script, []byte(paths.Replace(string(text))), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(script, "stop")
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		got, _ := os.ReadFile(filepath.Join(s.dir, "calls"))
		if string(got) != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestFinish checks that a utmpd that fails is started again after some seconds, and one that
// was killed or has ended at once.
func TestFinish(t *testing.T) {
	for _, tt := range []struct{ script, status, want string }{
		{"runit/utmpd/finish", "1", "sleep 5"}, {"runit/utmpd/finish", "-1", ""}, {"runit/utmpd/finish", "0", ""}, {"runit/utmpd/finish", "", ""},
		{"s6/utmpd/finish", "1", "sleep 4"}, {"s6/utmpd/finish", "256", ""}, {"s6/utmpd/finish", "0", ""}, {"s6/utmpd/finish", "", ""},
	} {
		s := newStage(t)
		s.program("sleep", `echo "sleep $*" >>"${0%/*}/calls"`)
		if got, status := s.run(tt.script, "set -- "+tt.status, ""); got != tt.want || status != 0 {
			t.Errorf("%s %s: %q, status %d, want %q", tt.script, tt.status, got, status, tt.want)
		}
	}
}

// TestInstall checks that uninstall removes what install has installed, except the
// settings and shared directories. An empty service definition would stop
// s6-rc-compile. An unknown init system is reported before anything is installed.
func TestInstall(t *testing.T) {
	bin := newStage(t)
	install := func(what, init, to string) error {
		cmd := exec.Command("../packaging/install.sh", what)
		cmd.Env = append(os.Environ(), "DESTDIR="+to, "BIN="+bin.dir, "INIT="+init)
		out, err := cmd.CombinedOutput()
		t.Logf("%s %s: %s", what, init, out)
		return err
	}
	for _, init := range []string{"none", "systemd", "openrc", "runit", "s6", "sysv", "smf", "systemd sysv"} {
		to := t.TempDir()
		if err := install("install", init, to); err != nil {
			t.Fatal(err)
		}
		if err := install("uninstall", init, to); err != nil {
			t.Fatal(err)
		}
		filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
			name := strings.TrimPrefix(path, to)
			if err != nil || !d.IsDir() && name != "/etc/default/utmpd" || d.IsDir() && strings.Contains(name, "utmpd") {
				t.Errorf("INIT=%s leaves %s, %v", init, name, err)
			}
			return nil
		})
	}
	to := t.TempDir()
	if err := install("install", "systemd upstart", to); err == nil {
		t.Error("upstart is installed")
	}
	if left, _ := os.ReadDir(to); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}
