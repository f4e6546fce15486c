// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"slices"
	"strings"
	"testing"
)

// TestPlain installs the package in Debian 13 and configures nothing. Somebody logs in by ssh,
// and all of it is killed: who, the utmp file and last are right.
func TestPlain(t *testing.T) {
	for _, mute := range []bool{false, true} {
		name := "sshd with utmp"
		if mute {
			name = "sshd without utmp"
		}
		t.Run(name, func(t *testing.T) {
			o := settle(t, people13, mute)
			if got, want := o.sh("md5sum </etc/default/utmpd"), o.sh("dpkg-query -W -f '${Conffiles}\n' utmpd | sed -n 's,^ /etc/default/utmpd ,,p'"); strings.Fields(got)[0] != want {
				t.Fatalf("the settings are not the package's: %s, not %s", got, want)
			}
			o.sh(people + " on one 'ssh' -tt one@localhost")
			o.shell("one", "one", "one", "")
			o.owner = map[string]string{"one": "one"}
			o.answers("one "+o.tty["one"], true)
			o.sh("kill -9 $(" + people + " leader one) $(cat /srv/people/one.pid) || true")
			o.answers("one "+o.tty["one"], false)
			o.logouts(nil)
			o.shutDown()
		})
	}
}

// answers waits until each of the three shows that a session, as USER LINE, is on or is not.
func (o *town) answers(session string, on bool) {
	o.m.t.Helper()
	user, line, _ := strings.Cut(session, " ")
	shows := func(command string) bool {
		return slices.ContainsFunc(strings.Split(o.sh(command+" || true"), "\n"), func(text string) bool {
			f := strings.Fields(text)
			return len(f) > 1 && f[0] == user && f[1] == line
		})
	}
	wrong := func() (all []string) {
		for _, command := range []string{"utmpctl who", "who /run/utmp", "utmpctl last | grep 'still on'"} {
			if shows(command) != on {
				all = append(all, command)
			}
		}
		return all
	}
	for range 40 {
		if wrong() == nil {
			break
		}
		o.sh("sleep 0.25")
	}
	if at := wrong(); at != nil {
		o.m.t.Errorf("on: %v, and wrong: %q\n%s", on, at, o.sh("utmpctl who; who /run/utmp; utmpctl last"))
	}
	if last := o.sh("utmpctl last -n 1 " + user); !on && (!strings.Contains(last, line) || strings.Contains(last, "still")) {
		o.m.t.Errorf("utmpctl last: %s", last)
	}
}
