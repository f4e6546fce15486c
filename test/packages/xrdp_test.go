// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import "testing"

// TestPAMXrdp has somebody log in by RDP, in Debian 12, where xrdp records nothing: with the
// PAM profile chosen the session has one record and one login, and one logout when it is left,
// and when all of it is killed. While its X server lives it stays, whatever became of sesman's
// process. Logind knows it too, without a terminal.
func TestPAMXrdp(t *testing.T) {
	m := newMachine(t, rdp12)
	m.sh(`systemctl mask systemd-firstboot.service systemd-networkd.service systemd-networkd.socket getty@.service >/dev/null 2>&1
		systemctl disable -q xrdp xrdp-sesman
		systemctl set-default -q multi-user.target
		rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp
		echo 127.0.0.1 localhost >>/etc/hosts
		sed -i 's/^autorun=.*/autorun=Xvnc/' /etc/xrdp/xrdp.ini
		grep -q '^autorun=Xvnc' /etc/xrdp/xrdp.ini
		printf '#!/bin/sh\nexec sleep infinity\n' >/etc/xrdp/startwm.sh
		useradd -m -s /bin/bash gui; echo gui:gui | chpasswd
		dpkg -i /packages/dist/utmpd_*_amd64.deb
		pam-auth-update --enable utmpd`)
	b := m.start()
	b.waitFor("utmpd", "systemctl is-active -q utmpd && test -e /run/utmp")
	b.sh(loopback + `
		systemctl start xrdp-sesman xrdp
		systemd-run -q --unit=screen Xvfb :1 -screen 0 800x600x24 -nolisten tcp`)
	b.waitFor("the client's screen", "test -e /tmp/.X11-unix/X1")
	b.waitFor("xrdp to listen, once it is a daemon", "journalctl -b -o cat -u xrdp | sed '1,/starting xrdp/d' | grep -q 'listen_pp done'")
	log := []string{"boot"}
	for _, c := range []struct{ name, end string }{
		{"left", "pkill -x -u gui sleep"},
		{"killed", "kill -9 $(who -u /run/utmp | awk '/gui/ { print $NF }'); sleep 3; who /run/utmp | grep gui; pkill -9 -u gui"},
	} {
		b.sh("systemd-run -q --unit=client --collect --setenv=DISPLAY=:1 --setenv=HOME=/root xfreerdp /v:127.0.0.1 /u:gui /p:gui /cert:ignore /sec:rdp /size:640x480")
		b.waitFor(c.name+": the session", "pgrep -x -u gui sleep && loginctl --no-legend list-sessions | grep -q gui")
		log = append(log, "+gui")
		b.records(c.name+": the login", "/run/utmp", "boot", "+gui")
		b.sh("sleep 3")
		b.records(c.name+": once", "/run/utmp", "boot", "+gui")
		b.records(c.name+": once in the log", "/var/log/wtmp", log...)
		t.Log(b.sh("utmpctl who -v gui"))
		b.sh(c.end)
		log = append(log, "-:10")
		b.records(c.name+": the logout", "/run/utmp", "boot", "-:10")
		b.sh("systemctl stop client || true; sleep 3")
		b.records(c.name+": once out of the log", "/var/log/wtmp", log...)
	}
	b.shutDown()
}
