// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inits are the init systems besides systemd, as Debian has them. prepare runs once, after
// packaging/install.sh with kinds in INIT.
var inits = []struct {
	name, root, kinds string
	init              []string // process 1
	prepare           string
	manual            bool   // nothing restarts utmpd
	reload            string // refuses settings with a fault
	reboot            string
	logs              string // succeeds if utmpd's messages go where they should
}{
	{"sysvinit", debian13, "sysv", []string{"/sbin/init"},
		noUdev + "update-rc.d utmpd-boot defaults; update-rc.d utmpd defaults", true, "/etc/init.d/utmpd reload", "init 6", "true"},
	{"OpenRC of Debian 12", openrc12, "openrc", []string{"/sbin/init"}, openrc, false, "rc-service utmpd reload", "init 6", "grep -q 'utmpd started' /var/log/utmpd.log"},
	{"OpenRC of Debian 13", openrc13, "openrc", []string{"/sbin/init"}, openrc, false, "rc-service utmpd reload", "init 6", "pgrep -x logger"},
	{"OpenRC with the sysv scripts", openrc13, "sysv", []string{"/sbin/init"},
		noUdev + "update-rc.d utmpd-boot defaults; update-rc.d utmpd defaults", true, "/etc/init.d/utmpd reload", "init 6", "true"},
	{"openrc-init", openrc13, "openrc", []string{"/sbin/openrc-init"}, openrc, false, "rc-service utmpd reload", "openrc-shutdown -r now", "pgrep -x logger"},
	{"runit", runit13, "runit sysv", []string{"/sbin/init"},
		noUdev + "update-rc.d utmpd-boot defaults; ln -s /etc/sv/utmpd /etc/service/", false, "", "init 6", "pgrep -x logger"},
	{"s6-svscan", runit13, "s6", []string{"/sbin/s6-stage1"}, s6, false, "", "s6-svscanctl -t /run/service", "grep -q 'utmpd started' /var/log/utmpd/current"},
}

// noUdev: udev would put the machine's devices into /dev, and hwclock.sh set its clock.
// There are no terminals for getty, either.
const noUdev = `sed -i '/getty\|sulogin/d' /etc/inittab 2>/dev/null || true
for s in udev hwclock.sh kmod; do update-rc.d $s remove; done
`

const openrc = noUdev + "rc-update add utmpd-boot sysinit; rc-update add utmpd default"

// s6 starts s6-svscan, without s6-rc and s6-linux-init, which Debian has not.
const s6 = `cat >/sbin/s6-stage1 <<'END'
#!/bin/sh
install -m 664 -g utmp /dev/null /run/utmp
sh -c "$(cat /etc/s6-rc/source/utmpd-boot/up)"
mkdir -p /run/service/.s6-svscan /run/service/utmpd/log
cp /etc/s6-rc/source/utmpd/run /etc/s6-rc/source/utmpd/finish /run/service/utmpd
cp /etc/s6-rc/source/utmpd-log/run /etc/s6-rc/source/utmpd-log/notification-fd /run/service/utmpd/log
chmod +x /run/service/utmpd/run /run/service/utmpd/finish /run/service/utmpd/log/run
cat >/run/service/.s6-svscan/finish <<'FINISH'
#!/bin/sh
sh -c "$(cat /etc/s6-rc/source/utmpd-boot/down)"
FINISH
chmod +x /run/service/.s6-svscan/finish
exec s6-svscan /run/service
END
chmod +x /sbin/s6-stage1
`

// TestInits boots real init systems as process 1 and has utmpd restarted after SIGKILL and
// its settings read again. A controlled reboot ends the session in the log and is no crash,
// a power cut is one. The boot helper runs before anything else records the boot.
func TestInits(t *testing.T) {
	for _, in := range inits {
		t.Run(in.name, func(t *testing.T) {
			m := newMachine(t, in.root)
			execute(t, "../..", []string{"DESTDIR=" + filepath.Join(m.dir, "upper"), "PREFIX=/usr", "BIN=" + host.bin, "INIT=" + in.kinds}, "packaging/install.sh", "install")
			m.sh(`groupadd -r utmpd; useradd -r -M -g utmpd -G utmp -d /nonexistent utmpd
sed -i 's/^#RUN_AS=$/RUN_AS=utmpd/' /etc/default/utmpd
install -m 664 -g utmp /dev/null /var/log/wtmp
` + in.prepare)

			b := m.power(in.init[0], in.init[1:]...)
			b.ready()
			log := []string{"boot"}
			b.holds("the first boot", log)
			b.waitFor("the messages to get to a log", in.logs)
			b.session("alice", "pts/3")
			log = append(log, "+alice")
			b.killed(!in.manual, in.reload)
			b.sh(in.reboot)
			b.down()
			log = append(log, "down")
			if note := string(readFile(t, filepath.Join(m.dir, "upper/var/lib/utmpd/heartbeat"))); !strings.Contains(note, "\nstate shutdown\n") {
				t.Errorf("utmpctl shutdown was not the last to leave its note:\n%s", note)
			}
			if diff := cmp.Diff(log, ofPeople(read(t, filepath.Join(m.dir, "upper/var/log/wtmp")))); diff != "" {
				t.Errorf("the reboot (-want +got):\n%s", diff)
			}

			b = m.power(in.init[0], in.init[1:]...)
			b.ready()
			log = append(log, "boot")
			b.holds("the second boot", log)
			b.session("bob", "pts/4")
			b.sh("sync")
			b.cut()

			b = m.power(in.init[0], in.init[1:]...)
			b.ready()
			b.holds("the crash", append(log, "+bob", "down", "boot"))
			b.is("the ends", `utmpctl downtime -json | sed -n 's/.*"end": "\([a-z ]*\)".*/\1/p' | paste -sd ' '`, "shut down crashed running")
			b.cut()
		})
	}
}

// ready waits for utmpd, after the log has the boot.
func (b *boot) ready() {
	b.m.t.Helper()
	b.waitFor("utmpd", "test -e /run/utmpd/status && grep -q ^watched: /run/utmpd/status")
}

// session is login without a service manager.
func (b *boot) session(user, line string) {
	b.m.t.Helper()
	b.sh(fmt.Sprintf("%s=%s:%s setsid /usr/local/bin/packages.test </dev/null >/dev/null 2>&1 &", sessionEnv, user, line))
	b.waitFor(user+" to be watched", `grep -q "^watched: 1" /run/utmpd/status`)
}

// killed kills utmpd, waits for the next one, and has the settings read again.
func (b *boot) killed(restarted bool, reload string) {
	b.m.t.Helper()
	b.sh("cp /run/utmpd/utmpd.pid /run/old; kill -KILL $(cat /run/old)")
	b.waitFor("its end", "! kill -0 $(cat /run/old)")
	if !restarted {
		b.sh("/etc/init.d/utmpd start")
	}
	b.waitFor("another utmpd", "! cmp -s /run/old /run/utmpd/utmpd.pid && kill -0 $(cat /run/utmpd/utmpd.pid)")
	b.waitFor("the session to be watched again", `grep -q "^watched: 1" /run/utmpd/status`)
	if reload == "" {
		return
	}
	b.sh(reload)
	if out, status := b.try("echo GRACE_PERIOD=soon >>/etc/default/utmpd; " + reload); status == 0 || !strings.Contains(out, "GRACE_PERIOD") {
		b.m.t.Errorf("%s: status %d of settings with a fault: %s", reload, status, out)
	}
	b.sh("sed -i /soon/d /etc/default/utmpd")
}

// holds waits until the log has these records of people and of boots.
func (b *boot) holds(what string, want []string) {
	b.m.t.Helper()
	name := fmt.Sprintf("/proc/%d/root/var/log/wtmp", b.pid)
	b.m.eventually(what, func() bool { return slices.Contains(ofPeople(read(b.m.t, name)), want[len(want)-1]) })
	var got []string
	for range 200 {
		if got = ofPeople(read(b.m.t, name)); cmp.Equal(got, want) {
			return
		}
		b.sh("sleep 0.05")
	}
	b.m.t.Errorf("%s (-want +got):\n%s", what, cmp.Diff(want, got))
}

// ofPeople leaves out what inits record of their own processes, and logouts: the shutdown
// ends a session that is killed after utmpctl shutdown.
func ofPeople(words []string) []string {
	return slices.DeleteFunc(words, func(w string) bool {
		return w != "boot" && w != "down" && !strings.HasPrefix(w, "+")
	})
}
