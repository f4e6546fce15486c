// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestPeople follows people who log in where logind is, in all ways: every reader is
// right, no session is recorded twice, and each has one logout.
func TestPeople(t *testing.T) {
	for _, d := range []struct {
		name, root string
		mute       bool
	}{
		{"Debian 13", people13, false},
		{"Debian 13, sshd without utmp", people13, true},
		{"Debian 12", people12, false},
	} {
		t.Run(d.name, func(t *testing.T) {
			var settings []string
			if d.mute {
				settings = []string{"LOGIND_HOSTS=no"}
			}
			o := settle(t, d.root, d.mute, settings...)
			here := slices.DeleteFunc(slices.Clone(scenes), func(s scene) bool { return s.only13 && !o.is13 })
			o.arrive()
			on := slices.Sorted(maps.Keys(o.owner))
			t.Logf("all are on:\n%s", o.table("all are on", here, on))
			if out := o.sh("utmpctl who -v bare"); !strings.Contains(out, "bare") {
				t.Errorf("utmpctl who -v does not list the session without a terminal:\n%s", out)
			}
			o.disturb(here, on)
			on = o.leave(on)
			if !o.is13 { // where tmux and screen close their own records when they like
				here = slices.DeleteFunc(here, func(s scene) bool { return s.wrote != nil })
			}
			t.Logf("some have left:\n%s", o.table("some have left", here, on))
			o.logouts(on)
			o.hosts()
			o.sh("sync")
			o.cut()
			o.boot = o.m.start()
			for i := range here {
				here[i].lines = nil
			}
			o.table("after a power cut", here, nil)
			o.logouts(on)
			o.shutDown()
		})
	}
}

// disturb restarts what may be restarted. Nothing changes.
func (o *town) disturb(here []scene, on []string) {
	o.m.t.Helper()
	before := o.closed(o.path("/var/log/wtmp"))
	for _, d := range []struct{ what, how string }{
		{"logind restarted", "systemctl restart systemd-logind"},
		{"dbus restarted", "systemctl restart dbus; systemctl restart systemd-logind"},
		{"utmpd killed", `pid=$(systemctl show -p MainPID --value utmpd); kill -9 $pid
			until new=$(systemctl show -p MainPID --value utmpd); [ "$new" != 0 ] && [ "$new" != $pid ]; do sleep 0.1; done`},
	} {
		o.sh(d.how)
		o.sh("loginctl >/dev/null; sleep 2")
		o.table(d.what, here, on)
	}
	if diff := cmp.Diff(before, o.closed(o.path("/var/log/wtmp"))); diff != "" {
		o.m.t.Errorf("wtmp has changed (-before +after):\n%s", diff)
	}
}

func (o *town) path(name string) string { return fmt.Sprintf("/proc/%d/root%s", o.pid, name) }

// leave has some people leave, in all ways, and returns whose shells are on.
func (o *town) leave(on []string) []string {
	o.m.t.Helper()
	pid := func(shell string) string { return "$(cat /srv/people/" + shell + ".pid)" }
	for shell, how := range map[string]string{
		"one":      people + " say one exit",
		"three2":   "kill -9 $(" + people + " leader three2) " + pid("three2") + " || true", // the process between them ends by itself
		"three3":   people + " say three3 'setsid sleep infinity & exit'",
		"mux2":     people + " say mux2 exit",
		"tmuxer":   "kill -9 $(" + people + " leader tmuxer) $(ps -o ppid= -p " + pid("tmuxer") + ") " + pid("tmuxer") + " || true", // tmux lives on
		"ttyS7":    "kill -9 " + pid("ttyS7"),
		"screener": "systemctl stop on-screener",
	} {
		o.sh(how)
		on = slices.DeleteFunc(on, func(s string) bool { return s == shell })
	}
	// The leader dies, and the shell lives. In Debian 12 virtual stays: that login leaves its
	// record to getty's service, and utmpd does not clean one of a virtual terminal whose
	// process was not seen alive for a minute: it may be a display manager's helper.
	o.sh("kill -9 $(" + people + " leader three1); sleep 1; kill -0 " + pid("three1"))
	if o.is13 {
		o.sh("kill -9 $(" + people + " leader tty9); sleep 1; kill -0 " + pid("tty9"))
	}
	return on
}

// logouts checks that each session that has ended has one logout, and no session two
// logins.
func (o *town) logouts(on []string) {
	o.m.t.Helper()
	want := map[string][]int{}
	for shell, user := range o.owner {
		want[user+" "+o.tty[shell]] = []int{1}
		if slices.Contains(on, shell) {
			want[user+" "+o.tty[shell]] = []int{0}
		}
	}
	if o.gui {
		want["gui tty7"] = []int{0}
	}
	var got map[string][]int
	for range 40 {
		got = o.closed(o.path("/var/log/wtmp"))
		for _, s := range scenes {
			for _, shell := range s.wrote {
				delete(got, s.users[0]+" "+o.tty[shell])
			}
		}
		if cmp.Equal(want, got) {
			return
		}
		o.sh("sleep 0.5")
	}
	o.m.t.Errorf("logins, and how often each was closed (-want +got):\n%s", cmp.Diff(want, got))
}

// hosts checks that wtmp has the hosts of those who came by ssh, or, with LOGIND_HOSTS=no, none:
// nobody but utmpd has recorded them then.
func (o *town) hosts() {
	o.m.t.Helper()
	with, without := 0, 0
	layout := utmpx.Native()
	for text := readFile(o.m.t, o.path("/var/log/wtmp")); len(text) >= layout.Size(); text = text[layout.Size():] {
		switch r := layout.Decode(string(text[:layout.Size()])); {
		case r.Type != utmpx.UserProcess || !strings.HasPrefix(r.Line, "pts/"):
		case r.Host == "" && r.Addr == [16]byte{}:
			without++
		default:
			with++
		}
	}
	if o.mute && (with > 0 || without == 0) || !o.mute && with == 0 {
		o.m.t.Errorf("wtmp has %d logins with a host, %d without; utmpd records no hosts: %v", with, without, o.mute)
	}
}
