// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import "testing"

// pamState is who calls utmpctl, and whether the profile is chosen.
const pamState = `grep -rn 'utmpctl' /etc/pam.d /var/lib/pam | sed 's/:[0-9]*:/: /; s/[[:blank:]]\+/ /g' || true`

// pamOn is pamState with the profile chosen.
const pamOn = `/etc/pam.d/common-session: session optional pam_exec.so quiet /usr/bin/utmpctl pam
/var/lib/pam/session: optional pam_exec.so quiet /usr/bin/utmpctl pam`

// TestPAMProfile installs the package: the profile is off until the administrator chooses
// it. An upgrade keeps the choice, and a removal leaves nothing of it.
func TestPAMProfile(t *testing.T) {
	for _, d := range []struct{ name, root string }{{"Debian 12", debian12}, {"Debian 13", debian13}} {
		t.Run(d.name, func(t *testing.T) {
			m := newMachine(t, d.root)
			m.sh("cp -a /etc/pam.d /root/before; cp -a /var/lib/pam /root/choices; dpkg -i /packages/dist/utmpd_*_amd64.deb")
			m.is("the profile", "stat -c '%A %U:%G' /usr/share/pam-configs/utmpd", "-rw-r--r-- root:root")
			m.is("after the installation", pamState+"; diff -r /root/before /etc/pam.d", "")
			m.sh("pam-auth-update --enable utmpd")
			m.is("chosen", pamState, pamOn)
			m.sh("dpkg -i /packages/newer/utmpd_*_amd64.deb </dev/null")
			m.is("after the upgrade", pamState, pamOn)
			m.sh("dpkg -r utmpd")
			m.is("after the removal", pamState+"; diff -r /root/before /etc/pam.d; ls /usr/share/pam-configs | grep utmpd || true", "")
			m.sh("dpkg -i /packages/newer/utmpd_*_amd64.deb </dev/null")
			m.is("after another installation", pamState, "")
			m.sh("dpkg -P utmpd")
			m.is("after the purge", pamState+"; diff -r /root/before /etc/pam.d", "")
		})
	}
}

// TestPAMBesideBridge has sessions that utmpd records for logind and utmpctl for PAM, whoever
// comes first: one login and one logout each. systemd is PAM's application.
func TestPAMBesideBridge(t *testing.T) {
	const begin = "account required pam_permit.so\nsession required pam_systemd.so class=user type=tty\n"
	const ours = "session optional pam_exec.so quiet /usr/bin/utmpctl pam\n"
	for _, d := range []struct{ name, stack string }{
		{"PAM first", begin + ours},
		{"bridge first", begin + "session optional pam_exec.so /bin/sleep 4\n" + ours},
	} {
		t.Run(d.name, func(t *testing.T) {
			m := newMachine(t, debian12)
			m.write("/etc/pam.d/booth", []byte(d.stack), 0o644)
			m.sh(`rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp
				systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1
				useradd dora; dpkg -i /packages/dist/utmpd_*_amd64.deb; echo LOGIND=yes >>/etc/default/utmpd`)
			b := m.start()
			b.waitFor("utmpd", "systemctl is-active -q utmpd && test -e /run/utmp")
			b.sh("systemd-run -q --unit=screen script -q -c 'sleep infinity' /dev/null")
			b.waitFor("a terminal", "test -e /dev/pts/0")
			b.sh("systemd-run -q --unit=booth -p PAMName=booth -p User=dora -p TTYPath=/dev/pts/0 -p StandardInput=null sleep infinity")
			b.records("the login", "/run/utmp", "boot", "+dora")
			b.sh("sleep 6")
			b.is("who recorded it", "journalctl -b -o cat | grep -c 'session recorded for logind' || true", map[bool]string{true: "1", false: "0"}[d.name == "bridge first"])
			b.records("once", "/run/utmp", "boot", "+dora")
			b.records("once in the log", "/var/log/wtmp", "boot", "+dora")
			b.sh("systemctl stop booth screen")
			b.records("the logout", "/run/utmp", "boot", "-pts/0")
			b.sh("sleep 2")
			b.records("once out of the log", "/var/log/wtmp", "boot", "+dora", "-pts/0")
			b.shutDown()
		})
	}
}
