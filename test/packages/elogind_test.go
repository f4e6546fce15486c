// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withElogind are the scenes on a machine with sysvinit and elogind.
var withElogind = scenes[:4]

// TestElogind follows people who log in by ssh where elogind is and sysvinit is process 1.
func TestElogind(t *testing.T) {
	for _, mute := range []bool{false, true} {
		name := "sshd with utmp"
		if mute {
			name = "sshd without utmp"
		}
		t.Run(name, func(t *testing.T) {
			o := settleElogind(t, mute)
			o.sh(people + " on one ssh -tt one@localhost")
			for _, shell := range []string{"three1", "three2", "three3"} {
				o.sh(people + " on " + shell + " ssh -tt three@localhost")
			}
			o.sh(people + " on mux1 ssh -tt -M -S /root/mux mux@localhost; " + people + " on bare ssh -T bare@localhost")
			for _, shell := range []string{"one", "three1", "three2", "three3", "mux1"} {
				o.shell(shell, shell, o.owner[shell], "")
			}
			o.sh(people + " on mux2 ssh -tt -S /root/mux mux@localhost")
			o.shell("mux2", "mux2", "mux", "")
			o.shell("bare", "bare", "bare", "")
			on := slices.Sorted(maps.Keys(o.owner))
			t.Logf("all are on:\n%s", o.table("all are on", withElogind, on))
			if out := o.sh("grep -h '^logind' /run/utmpd/status || true; utmpctl who -v bare"); !strings.Contains(out, "bare") {
				t.Errorf("utmpctl who -v does not list the session without a terminal:\n%s", out)
			}
			before := o.closed(o.path("/var/log/wtmp"))
			for _, d := range []struct{ what, how string }{
				{"elogind restarted", "/etc/init.d/elogind restart"},
				{"dbus restarted", "/etc/init.d/dbus restart; /etc/init.d/elogind restart"},
				{"utmpd killed", "pkill -9 -x utmpd; while pgrep -x utmpd >/dev/null; do sleep 0.1; done; /etc/init.d/utmpd start"},
			} {
				o.sh(d.how)
				o.sh("sleep 2")
				o.table(d.what, withElogind, on)
			}
			if diff := cmp.Diff(before, o.closed(o.path("/var/log/wtmp"))); diff != "" {
				t.Errorf("wtmp has changed (-before +after):\n%s", diff)
			}
			pid := func(shell string) string { return "$(cat /srv/people/" + shell + ".pid)" }
			o.sh(people + " say one exit")
			o.sh("kill -9 $(" + people + " leader three2) " + pid("three2"))
			o.sh(people + " say three3 'setsid sleep infinity & exit'; " + people + " say mux2 exit")
			o.sh("kill -9 $(" + people + " leader three1); sleep 1; kill -0 " + pid("three1"))
			on = slices.DeleteFunc(on, func(s string) bool { return slices.Contains([]string{"one", "three2", "three3", "mux2"}, s) })
			// Elogind's ids begin again after its restart.
			o.owner["again"] = "again"
			o.sh(people + " on again ssh -tt again@localhost")
			o.shell("again", "again", "again", "")
			on = append(on, "again")
			here := append(slices.Clone(withElogind), scene{name: "a login after the restarts", users: []string{"again"}, shells: []string{"again"}})
			t.Logf("some have left:\n%s", o.table("some have left", here, on))
			o.logouts(on)
			o.sh("sync")
			o.cut()
		})
	}
}

// muteSSH has /etc/init.d/ssh start an sshd that can record nothing.
const muteSSH = `: >/srv/void-utmp; : >/srv/void-wtmp
	sed -i 's|^set -e$|set -e; [ -e /run/mute ] \|\| { : >/run/mute; exec unshare -m sh -c "mount --bind /srv/void-utmp /run/utmp; mount --bind /srv/void-wtmp /var/log/wtmp; exec $0 $*"; }|' /etc/init.d/ssh
	grep -q /run/mute /etc/init.d/ssh`

// loopback sets lo up, by SIOCSIFFLAGS.
const loopback = `python3 -c "import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh14x', b'lo', 1))"`

// settleElogind prepares a machine with elogind, and boots it. What init would do with the
// machine's clock and file systems is left out: they are those of the test's host.
func settleElogind(t *testing.T, mute bool) *town {
	m := newMachine(t, elogind13)
	for _, name := range []string{"people.sh", "readers.py"} {
		m.write("/usr/local/bin/"+name, readFile(t, "guest/"+name), 0o755)
	}
	m.write("/etc/inittab", []byte("id:2:initdefault:\nsi::sysinit:/etc/init.d/bootmisc.sh start\nl2:2:wait:/etc/init.d/rc 2\n"), 0o644)
	m.sh(`echo 127.0.0.1 localhost >>/etc/hosts
		printf 'Host *\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n' >/root/.ssh/config
		printf 'MaxStartups 100\nPerSourcePenalties no\n' >/etc/ssh/sshd_config.d/people.conf
		for user in one three mux bare again; do
			useradd -m -s /bin/bash $user; cp -r /root/.ssh /home/$user; chown -R $user: /home/$user
		done
		: >/var/log/wtmp
		dpkg -i /packages/dist/utmpd_*_amd64.deb`)
	if mute {
		m.sh(muteSSH)
	}
	o := &town{is13: true, mute: mute, tty: map[string]string{}, owner: map[string]string{}}
	for _, s := range withElogind {
		for _, shell := range s.shells {
			o.owner[shell] = s.users[0]
		}
	}
	o.boot = m.power("/sbin/init")
	o.waitFor("init to have started the services", "pgrep -x sshd >/dev/null && loginctl >/dev/null 2>&1 && test -e /run/utmpd/status")
	o.sh(loopback)
	o.waitFor("utmpd to know elogind", "grep -q '^logins of logind' /run/utmpd/status && ! grep -q '^logind error' /run/utmpd/status")
	return o
}
