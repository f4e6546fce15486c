// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import "testing"

// TestMovedDirectories: RUN_DIR and STATE_DIR are moved to where the unit keeps everything
// read-only. -check and the start say which line it needs, and with that line they work.
func TestMovedDirectories(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb; mkdir /srv/utmpd /srv/utmpd/run /srv/utmpd/state; chown utmpd /srv/utmpd/*; printf 'RUN_DIR=/srv/utmpd/run\nSTATE_DIR=/srv/utmpd/state\n' >>/etc/default/utmpd; systemctl mask prometheus prometheus-node-exporter >/dev/null 2>&1")
	b := m.start()
	const todo = `with "systemctl edit" add to it, utmpd-boot and utmpd-shutdown, under [Service]: ReadWritePaths=/srv/utmpd/`
	b.is("-check", "utmpd -check 2>&1 | cut -d' ' -f2-",
		"RUN_DIR: utmpd.service may not write to /srv/utmpd/run; "+todo+"run\nSTATE_DIR: utmpd.service may not write to /srv/utmpd/state; "+todo+"state")
	b.waitFor("the words of the start", "journalctl -b -o cat -u utmpd | grep -c 'the unit does not let utmpd write to' | grep -qx 2")

	b.sh(`for u in utmpd utmpd-boot utmpd-shutdown; do
mkdir -p /etc/systemd/system/$u.service.d
printf '[Service]\nReadWritePaths=/srv/utmpd/run\nReadWritePaths=/srv/utmpd/state\n' >/etc/systemd/system/$u.service.d/override.conf
done
systemctl daemon-reload; utmpd -check; systemctl restart utmpd`)
	b.waitFor("its files", "test -e /srv/utmpd/run/status && test -e /srv/utmpd/state/heartbeat")
	b.is("the words of the second start", "journalctl -b -o cat -u utmpd | grep -c 'the unit does not let utmpd write to'", "2")
	b.shutDown()
}
