// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import "testing"

// pamState is who calls utmpctl, and whether the profile is chosen.
const pamState = `grep -rn 'utmpctl' /etc/pam.d /var/lib/pam | sed 's/:[0-9]*:/: /; s/[[:blank:]]\+/ /g' || true`

// pamOn is pamState with the profile chosen.
const pamOn = `/etc/pam.d/common-session: session optional pam_exec.so quiet /usr/sbin/utmpctl pam
/var/lib/pam/session: optional pam_exec.so quiet /usr/sbin/utmpctl pam`

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
