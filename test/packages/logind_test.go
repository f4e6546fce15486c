// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"strings"
	"testing"
)

// TestLogind has a session that systemd-logind alone knows, without a terminal: utmpctl who
// lists it with -v, and says so.
func TestLogind(t *testing.T) {
	m := newMachine(t, debian12)
	m.sh(`rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp
		systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1
		printf 'account required pam_permit.so\nsession required pam_systemd.so class=user type=tty\n' >/etc/pam.d/only-logind
		useradd dora`)
	b := m.start()
	b.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	b.waitFor("utmpd", "systemctl is-active -q utmpd && test -e /run/utmp")
	b.login("alice", "pts/7")
	b.sh("systemd-run -q --unit=only-logind -p PAMName=only-logind -p User=dora sleep infinity")
	b.waitFor("logind's session", "loginctl --no-legend list-sessions | grep -q dora")
	// The process is systemd's own until it has become sleep.
	b.waitFor("the session in utmpctl who -v", "utmpctl who -v | grep -q '^dora: logind only' && utmpctl who -v dora | grep -q 'sleep infinity'")
	if out := b.sh("utmpctl who | grep alice"); strings.Contains(out, "logind") {
		t.Errorf("alice is in utmp: %s", out)
	}
	if out := b.sh("utmpctl who; utmpctl who -json"); strings.Contains(out, "dora") {
		t.Errorf("dora has no terminal: %s", out)
	}
	if out := b.sh("utmpctl who -v -json | grep dora"); !strings.Contains(out, `"source":"logind"`) {
		t.Errorf("utmpctl who -json: %s", out)
	}
	b.is("the number of sessions", "utmpctl who -count", "1")
	if out := b.sh("utmpctl who -v dora"); !strings.Contains(out, "logind") {
		t.Errorf("utmpctl who -v:\n%s", out)
	}
	b.sh("systemctl stop only-logind")
	b.waitFor("the session's end", "! utmpctl who -v | grep dora")
	b.shutDown()
}
