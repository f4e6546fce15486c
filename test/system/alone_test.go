// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// suPAM is a configuration of su(1) with pam_lastlog, which asks for no password.
const suPAM = `auth required pam_permit.so
account required pam_permit.so
session required pam_lastlog.so silent
`

// TestSuWithinSession: su(1) and pam_lastlog write a login of root's to wtmp alone, on the
// line of the session it was typed in. Killed together, both are ended.
func TestSuWithinSession(t *testing.T) {
	for _, test := range []struct {
		name    string
		restart bool
	}{{"killed", false}, {"killed, utmpd was restarted", true}} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			configureSu(t)
			d := startUtmpd(t)
			s := loginOnPTY(startLogin)(t)
			s.tm.typeln(t, "su -l -s /bin/cat") // which answers nothing
			in := rootLogin(t, s.entry.Line)
			settle(t)
			if n := logouts(t, in); n != 0 {
				t.Fatalf("%d logouts while su lives", n)
			}
			if test.restart {
				d.stop(t)
				startUtmpd(t)
			}
			died := death{from: time.Now()}
			for _, pid := range append(children(int(in.PID)), int(in.PID), s.shell, s.server) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			waitFor(t, generous, "the session's death", func() bool { return !alive(int(in.PID)) })
			died.to = time.Now()
			waitFor(t, generous, "the logout of su", func() bool { return logouts(t, in) > 0 })
			for _, v := range last(t) {
				if v.line != in.Line || v.user != "root" {
					continue
				}
				if v.end.IsZero() {
					t.Fatalf("last shows: %s", v.text)
				}
				within(t, "last's end", v.end, died)
				return
			}
			t.Error("last does not show root's login")
		})
	}
}

// configureSu puts suPAM in the place of what su(1) has.
func configureSu(t *testing.T) {
	t.Helper()
	const own = "/run/su-l"
	if err := os.WriteFile(own, []byte(suPAM), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(own, "/etc/pam.d/su-l", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}

// rootLogin returns root's login on a line in wtmp, once it is there.
func rootLogin(t *testing.T, line string) (in utmpx.Record) {
	t.Helper()
	waitFor(t, generous, "root's login in wtmp", func() bool {
		for _, r := range records(t, wtmpFile) {
			if r.Type == utmpx.UserProcess && r.Line == line && r.User == "root" {
				in = r
				return true
			}
		}
		return false
	})
	return in
}
