// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTerminalAgain closes one of two terminals of a connection by ssh, and has somebody else
// get it at once: that one's session is recorded too, and the first one has one logout.
func TestTerminalAgain(t *testing.T) {
	o := settle(t, people13, true)
	o.sh(people + " on mux1 ssh -tt -M -S /root/mux mux@localhost")
	o.shell("mux1", "mux1", "mux", "")
	o.sh(people + " on mux2 ssh -tt -S /root/mux mux@localhost")
	o.shell("mux2", "mux2", "mux", "")
	line := o.tty["mux2"]
	o.waitFor("both records", "[ $(who /run/utmp | grep -c mux) = 2 ]")
	o.sh(people + " say mux2 exit; " + people + " on one ssh -tt one@localhost")
	o.shell("one", "one", "one", "")
	if o.tty["one"] != line {
		t.Fatalf("%s was closed, and %s was opened next", line, o.tty["one"])
	}
	o.waitFor("the second record", "who /run/utmp | grep -q 'one *"+line+"'")
	want := map[string][]int{"mux " + o.tty["mux1"]: {0}, "mux " + line: {1}, "one " + line: {0}}
	if diff := cmp.Diff(want, o.closed(o.path("/var/log/wtmp"))); diff != "" {
		t.Errorf("logins, and how often each was closed (-want +got):\n%s", diff)
	}
	o.shutDown()
}

// TestTerminalAgainAway has a connection by ssh close a terminal and get the same number again
// while utmpd is stopped: the new one has a record of its own, with its own time.
func TestTerminalAgainAway(t *testing.T) {
	o := settle(t, people13, true)
	o.sh(people + " on mux1 ssh -tt -M -S /root/mux mux@localhost")
	o.shell("mux1", "mux1", "mux", "")
	o.sh(people + " on mux2 ssh -tt -S /root/mux mux@localhost")
	o.shell("mux2", "mux2", "mux", "")
	line := o.tty["mux2"]
	o.waitFor("both records", "[ $(who /run/utmp | grep -c mux) = 2 ]")
	o.sh("sleep 1; systemctl stop utmpd; " + people + " say mux2 exit")
	o.waitFor("the terminal to be gone", "! test -e /dev/"+line)
	o.sh(people + " on mux3 ssh -tt -S /root/mux mux@localhost")
	o.shell("mux3", "mux3", "mux", "")
	if o.tty["mux3"] != line {
		t.Fatalf("%s was closed, and %s was opened next", line, o.tty["mux3"])
	}
	o.sh("systemctl start utmpd")
	log := o.path("/var/log/wtmp")
	o.m.eventually("the second login", func() bool { return len(o.closed(log)["mux "+line]) == 2 })
	want := map[string][]int{"mux " + o.tty["mux1"]: {0}, "mux " + line: {1, 0}}
	if diff := cmp.Diff(want, o.closed(log)); diff != "" {
		t.Errorf("logins, and how often each was closed (-want +got):\n%s", diff)
	}
	o.is("records", "who /run/utmp | grep -c mux", "2")
	o.shutDown()
}
