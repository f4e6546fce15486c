// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"strconv"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// TestSecondTerminal opens a second terminal in a connection by ssh some time after the first.
// In both files, and so in last, it is on since it was opened, and not since the login: the
// first one's time is that of logind's session. So it is where sshd records nothing, and where
// it does.
func TestSecondTerminal(t *testing.T) {
	for _, mute := range []bool{true, false} {
		t.Run("sshd records nothing: "+strconv.FormatBool(mute), func(t *testing.T) {
			o := settle(t, people13, mute)
			o.sh(people + " on mux1 ssh -tt -M -S /root/mux mux@localhost")
			o.shell("mux1", "mux1", "mux", "")
			o.waitFor("the first record", "[ $(who /run/utmp | grep -c mux) = 1 ]")
			time.Sleep(15 * time.Second)
			before := time.Now()
			o.sh(people + " on mux2 ssh -tt -S /root/mux mux@localhost")
			o.shell("mux2", "mux2", "mux", "")
			o.waitFor("both records", "[ $(who /run/utmp | grep -c mux) = 2 ]")
			after := time.Now()
			for _, file := range []string{"/run/utmp", "/var/log/wtmp"} {
				first, second := o.since(t, file, "mux1"), o.since(t, file, "mux2")
				if second.Before(before) || second.After(after) || first.After(before.Add(-14*time.Second)) {
					t.Errorf("%s has the first terminal since %v, the second, opened between %v and %v, since %v", file, first, before, after, second)
				}
			}
			o.shutDown()
		})
	}
}

// since returns the time of the only login of a shell's terminal in a file.
func (o *town) since(t *testing.T, file, shell string) time.Time {
	t.Helper()
	layout, text := utmpx.Native(), []byte(readFile(t, o.path(file)))
	var found []time.Time
	for ; len(text) >= layout.Size(); text = text[layout.Size():] {
		if r := layout.Decode(string(text[:layout.Size()])); r.Type == utmpx.UserProcess && r.Line == o.tty[shell] {
			found = append(found, r.Time.Time())
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d logins on %s", file, len(found), o.tty[shell])
	}
	return found[0]
}
