// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import "testing"

// TestRunLevel boots systemd with utmp and without: who -r and runlevel show the run level,
// which is in the log once for each boot. The machine starts for multi-user.target. systemd
// that records the boot and no level, as since version 258, records it after utmpctl boot
// has run, so that the level is in utmp alone.
func TestRunLevel(t *testing.T) {
	for _, d := range []struct {
		name, root, masked string
		unlogged           bool
	}{
		{name: "Debian 12", root: debian12},
		{name: "Debian 13", root: debian13},
		{name: "without levels", root: debian12, masked: "systemd-update-utmp-runlevel.service", unlogged: true},
	} {
		t.Run(d.name, func(t *testing.T) {
			m := newMachine(t, d.root)
			m.sh(`rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp
				systemctl mask systemd-firstboot.service systemd-networkd.service ` + d.masked + ` >/dev/null 2>&1
				dpkg -i /packages/dist/utmpd_*_amd64.deb`)
			const levels = `utmpctl dump /var/log/wtmp | grep '"user":"runlevel"' | grep -c '"pid":51,"line":"~","id":"~~"'`
			for n, want := range []string{"1", "2"} {
				b := m.start()
				b.works()
				b.waitFor("the run level", "runlevel | grep -q 3")
				b.is("runlevel", "runlevel", "N 3")
				b.is("who -r", "who -r /run/utmp | grep -o 'run-level 3'", "run-level 3")
				b.is("levels in utmp", "utmpctl dump /run/utmp | grep -c RUN_LVL", "1")
				last := "runlevel (to lvl 3)"
				if d.unlogged {
					want, last = "0", ""
				}
				b.is("last -x", "/usr/libexec/utmpd/last -x | grep -o 'runlevel (to lvl 3)' | sort -u", last)
				b.is("the log", levels+" || true", want)
				b.sh("utmpctl boot")
				b.is("the log after another run", levels+" || true", want)
				b.is("utmp after another run", "utmpctl dump /run/utmp | grep -c RUN_LVL", "1")
				b.is("downtime", "utmpctl downtime | grep -c -e crashed || true", "0")
				if n == 1 {
					b.is("what is wrong", "utmpctl check /run/utmp /var/log/wtmp", "")
				}
				b.shutDown()
			}
		})
	}
}
