// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told runs utmpctl as alice or, if root is true, as root, and returns its exit status
// and what it printed.
func told(t *testing.T, root bool, args ...string) (status int, out string) {
	t.Helper()
	cmd := exec.Command(utmpctlBinary, append([]string{args[0], "-config", configFile}, args[1:]...)...)
	if !root {
		cmd = asAlice(cmd)
	}
	return answerOf(t, cmd, args)
}

func answerOf(t *testing.T, cmd *exec.Cmd, args []string) (status int, out string) {
	t.Helper()
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("utmpctl %v: status %d\n%s", args, cmd.ProcessState.ExitCode(), &b)
	return cmd.ProcessState.ExitCode(), b.String()
}

// says waits until utmpctl prints all of these lines or parts of lines, for root and for
// alice.
func says(t *testing.T, want []string, args ...string) {
	t.Helper()
	for _, root := range []bool{true, false} {
		waitFor(t, generous, strings.Join(want, ", "), func() bool {
			_, out := told(t, root, args...)
			return containsAll(out, want)
		})
	}
}

// present returns the users and lines that utmpctl takes for living sessions.
func present(t *testing.T) (all []string) {
	t.Helper()
	_, out := told(t, false, "who", "-json")
	for line := range strings.Lines(out) {
		var s struct{ User, Line, State string }
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if s.State == "lives" {
			all = append(all, s.User+" "+s.Line)
		}
	}
	slices.Sort(all)
	return all
}

// shown returns the users and lines that a program prints, in the first two columns.
func shown(t *testing.T, name string, args ...string) (all []string) {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 1 {
			all = append(all, f[0]+" "+f[1])
		}
	}
	slices.Sort(all)
	return all
}

// TestUtmpctlWho asks utmpctl about living sessions, one whose shell outlives its process,
// ghosts, and a utmpd that was killed or stopped; as root and as an ordinary user.
func TestUtmpctlWho(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	first := loginSSHD(t)
	second := overSSH(t, 22)
	third := loginOnPTY(startLogin)(t)

	// Living sessions: the same ones as who and w show.
	waitFor(t, generous, "all sessions to be watched", func() bool {
		_, out := told(t, false, "status")
		return strings.Contains(out, "3: 3 watched")
	})
	got := present(t)
	if d := cmp.Diff(shown(t, "who"), got); d != "" {
		t.Errorf("not as who (-who +utmpctl)\n%s", d)
	}
	if d := cmp.Diff(shown(t, "w", "-h"), got); d != "" {
		t.Errorf("not as w (-w +utmpctl)\n%s", d)
	}
	if status, out := told(t, false, "status"); status != 0 || !strings.Contains(out, "utmpd is well") {
		t.Errorf("status %d", status)
	}
	says(t, []string{first.entry.Line + " from 127.0.0.1: lives", " lives, by pidfd: sshd: alice", ": below the record's process", "  utmpd    watches "}, "who", "-v", first.entry.Line)
	third.tm.typeln(t, "exec sleep 12345")
	says(t, []string{"sleep 12345"}, "who", third.entry.Line)

	// A shell that outlives the process of the record.
	kill("the monitor", server).do(t, first)
	says(t, []string{first.entry.Line + " from 127.0.0.1: lives", " is gone: ", "its line still has a session leader", "  next     nothing, until process "}, "who", "-v", first.entry.Line)
	says(t, []string{"lives by "}, "who", first.entry.Line)

	// utmpd is stopped by a signal, and goes on.
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	says(t, []string{"utmpd hangs: process ", "kill -CONT "}, "status")
	if status, _ := told(t, false, "status"); status != 3 {
		t.Errorf("utmpd is stopped: status %d", status)
	}
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	says(t, []string{"utmpd is well"}, "status")

	// utmpd is killed, and a session becomes a ghost.
	d.kill()
	for _, root := range []bool{true, false} {
		if status, out := told(t, root, "status"); status != 3 || !strings.Contains(out, "is gone") {
			t.Errorf("utmpd is killed: status %d", status)
		}
	}
	second.server = int(second.entry.PID)
	second.child = parentOf(t, second.shell)
	kill("all", all).do(t, second)
	waitFor(t, generous, "their deaths", func() bool { return !alive(second.server) && !alive(second.shell) })
	says(t, []string{second.entry.Line + " from 127.0.0.1: ghost", "  utmpd    does not run", "until utmpd is started"}, "who", "-v", second.entry.Line)
	if !whoShows(t, second.entry.Line) {
		t.Error("the ghost is not there")
	}
	if _, out := told(t, false, "who", "-count"); out != "2\n" {
		t.Errorf("count %q with a ghost", out)
	}

	// Its next run cleans it.
	startUtmpd(t)
	waitFor(t, generous, "the ghost to be cleaned", func() bool { return !whoShows(t, second.entry.Line) })
	// who leaves out whoever's recorded process is dead, also if the shell lives.
	want := append(shown(t, "who"), "alice "+first.entry.Line)
	slices.Sort(want)
	if d := cmp.Diff(want, present(t)); d != "" {
		t.Errorf("not as who and the shell that lives on (-want +utmpctl)\n%s", d)
	}
	if status, out := told(t, false, "status", "-total"); status != 0 || !strings.Contains(out, "utmpd is well") {
		t.Errorf("status %d", status)
	}
}

// TestUtmpctlStatusTroubled asks about a utmpd that runs, with something wrong.
func TestUtmpctlStatusTroubled(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t, "MAX_FDS=1", "SCAN_PERIOD=1")
	dwell(t, "x/1")
	dwell(t, "x/2")
	says(t, []string{"1 session is not watched", "raise MAX_FDS"}, "status")
	if status, _ := told(t, false, "status"); status != 1 {
		t.Errorf("unwatched sessions: status %d", status)
	}
	d.stop(t)
	if status, out := told(t, false, "status"); status != 3 || !strings.Contains(out, "it ended at") {
		t.Errorf("ended: status %d", status)
	}
	configure(t)
	startUtmpdAs(t, nil, "-n")
	says(t, []string{"utmpd runs with -n"}, "status")
	if status, _ := told(t, false, "status"); status != 1 {
		t.Errorf("-n: status %d", status)
	}
}

// TestUtmpctlWhoHidden asks as a user from whom /proc hides everything. What he cannot
// know is in doubt; root knows.
func TestUtmpctlWhoHidden(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	makeUser(t)
	startUtmpd(t)
	s := loginSSHD(t)
	hideProcesses(t, "2")
	mustHide(t)
	blind := func(want ...string) {
		t.Helper()
		args := []string{"who", "-v", s.entry.Line}
		waitFor(t, generous, strings.Join(want, ", "), func() bool {
			cmd := exec.Command(utmpctlBinary, append([]string{args[0], "-config", configFile}, args[1:]...)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ownUID, Gid: ownUID}}
			_, out := answerOf(t, cmd, args)
			return containsAll(out, want)
		})
	}
	blind(s.entry.Line+" from 127.0.0.1: lives", " lives, by pidfd\n", "who leads it is not known", "watches it, as all sessions", "some processes cannot be seen")
	kill("the monitor", server).do(t, s)
	waitFor(t, generous, "the monitor's death", func() bool { return !alive(s.server) })
	blind(s.entry.Line+" from 127.0.0.1: in doubt", "/proc hides who leads it", "the record stays as long as that is so")
	if _, out := told(t, true, "who", s.entry.Line); !strings.Contains(out, "lives by ") {
		t.Error("root does not know")
	}
}
