// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestElogindOpenRC has people log in by ssh where elogind is, OpenRC starts the services, and
// sshd records nothing. One logs out, one is killed, and one whose leader alone is killed stays.
func TestElogindOpenRC(t *testing.T) {
	for _, init := range []string{"/sbin/openrc-init", "/sbin/init"} {
		t.Run(filepath.Base(init), func(t *testing.T) {
			m := newMachine(t, openrcEl)
			m.write(people, readFile(t, "guest/people.sh"), 0o755)
			execute(t, "../..", []string{"DESTDIR=" + filepath.Join(m.dir, "upper"), "PREFIX=/usr", "BIN=" + host.bin, "INIT=openrc"}, "packaging/install.sh", "install")
			m.sh(`groupadd -r utmpd; useradd -r -M -g utmpd -G utmp -d /nonexistent utmpd
				sed -i 's/^#RUN_AS=$/RUN_AS=utmpd/' /etc/default/utmpd
				install -m 664 -g utmp /dev/null /var/log/wtmp
				echo 127.0.0.1 localhost >>/etc/hosts
				mkdir -m 700 -p /root/.ssh
				ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519
				cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
				printf 'Host *\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n' >/root/.ssh/config
				for user in one two three; do
					useradd -m -s /bin/bash $user; cp -r /root/.ssh /home/$user; chown -R $user: /home/$user
				done
				` + muteSSH + "\n" + openrc)
			o := &town{is13: true, mute: true, tty: map[string]string{}}
			o.boot = m.power(init)
			o.waitFor("OpenRC to have started the services", "pgrep -x sshd >/dev/null && loginctl >/dev/null 2>&1 && test -e /run/utmpd/status")
			o.sh(loopback)
			o.waitFor("utmpd to know elogind", "grep -q '^logins of logind' /run/utmpd/status && ! grep -q '^logind error' /run/utmpd/status")
			for _, user := range []string{"one", "two", "three"} {
				o.sh(people + " on " + user + " ssh -tt " + user + "@localhost")
				o.shell(user, user, user, "")
			}
			o.waitFor("their records", "[ $(who /run/utmp | grep -c -e one -e two -e three) = 3 ]")
			o.sh(people + " say one exit; kill -9 $(" + people + " leader two) $(cat /srv/people/two.pid); kill -9 $(" + people + " leader three)")
			o.waitFor("the logouts", "! who /run/utmp | grep -q -e one -e two")
			o.sh("sleep 3; kill -0 $(cat /srv/people/three.pid); who /run/utmp | grep three")
			want := map[string][]int{"one " + o.tty["one"]: {1}, "two " + o.tty["two"]: {1}, "three " + o.tty["three"]: {0}}
			if diff := cmp.Diff(want, o.closed(o.path("/var/log/wtmp"))); diff != "" {
				t.Errorf("logins, and how often each was closed (-want +got):\n%s", diff)
			}
			o.cut()
		})
	}
}
