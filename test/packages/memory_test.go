// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestLog2ram: Debian's log2ram keeps /var/log in memory, and is slow to mount it and to
// save it. The shutdown is in the log that it saves, and a crash finds the log that was
// saved last, with the time of the crash.
func TestLog2ram(t *testing.T) {
	m := newMachine(t, debian13)
	for _, name := range []string{"/usr/bin/log2ram", "/usr/lib/systemd/system/log2ram.service", "/etc/log2ram.conf"} {
		m.write(name, readFile(t, filepath.Join(host.roots[source13], name)), 0o755)
	}
	m.write("/etc/systemd/system/log2ram.service.d/slow.conf", []byte(`[Service]
ExecStartPre=/bin/sleep 2
ExecStop=
ExecStop=/usr/bin/log2ram write
ExecStop=/bin/sleep 3
ExecStop=/bin/umount -l /var/log /var/hdd.log
`), 0o644)
	// Were they not ordered, log2ram would have saved the log long before utmpd's shutdown.
	m.write("/etc/systemd/system/utmpd-shutdown.service.d/slow.conf", []byte("[Service]\nExecStop=\nExecStop=/bin/sleep 2\nExecStop=/usr/bin/utmpctl shutdown\n"), 0o644)
	m.sh("chmod 644 /etc/log2ram.conf /usr/lib/systemd/system/log2ram.service; rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp; systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1; systemctl enable log2ram 2>/dev/null; dpkg -i /packages/dist/utmpd_*_amd64.deb")
	b := m.start()
	b.works()
	b.is("/var/log", "findmnt -n -o FSTYPE /var/log", "tmpfs")
	log := []string{"boot"}
	b.records("the first boot", "/var/log/wtmp", log...)
	b.login("alice", "pts/3")
	b.shutDown()
	log = append(log, "+alice", "-pts/3", "down")
	m.records("the shutdown", log...)

	b = m.start()
	b.works()
	log = append(log, "boot")
	b.records("the second boot", "/var/log/wtmp", log...)
	b.login("bob", "pts/4")
	b.sh("systemctl reload log2ram")
	b.login("carol", "pts/5") // whom memory alone knows
	b.sh("sync")
	b.cut()

	b = m.start()
	b.works()
	log = append(log, "+bob", "down", "boot")
	b.records("the crash", "/var/log/wtmp", log...)
	b.is("its end", "utmpctl downtime -json | grep -c '\"end\": \"crashed\"'", "1")
	b.shutDown()
}

// TestLogInMemory: /var/log is a tmpfs of which nothing is left at the next boot. The ledger
// in STATE_DIR still tells the boots, the crash among them.
func TestLogInMemory(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh(`systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1; dpkg -i /packages/dist/utmpd_*_amd64.deb
		echo 'tmpfs /var/log tmpfs mode=755,size=32m 0 0' >>/etc/fstab
		echo 'f /var/log/wtmp 0664 root utmp -' >/etc/tmpfiles.d/wtmp.conf`)
	b := m.start()
	b.works()
	b.is("/var/log", "findmnt -n -o FSTYPE /var/log", "tmpfs")
	b.login("alice", "pts/3")
	b.sh("sync")
	b.cut()
	b = m.start()
	b.works()
	b.records("the log, from the ledger", "/var/log/wtmp", "boot", "down", "boot")
	b.is("the boots", "utmpctl downtime | awk '/crashed|running/ { print $5 ~ /crashed/ ? $5 : $3 }'", "crashed\nrunning")
	b.shutDown()
}

// rotation is the configuration that docs/logs.md recommends.
func rotation(t *testing.T) string {
	t.Helper()
	_, after, _ := strings.Cut(string(readFile(t, "../../docs/logs.md")), "/etc/logrotate.d/wtmp:\n\n```\n")
	config, _, ok := strings.Cut(after, "```\n")
	if !ok {
		t.Fatal("docs/logs.md has no configuration of logrotate")
	}
	return config
}

// TestLogrotate: the real logrotate rotates wtmp by the configuration of docs/logs.md while
// sessions are on, weekly as monthly, and with dates as names. Nothing is lost: not the
// logout nor the session.
func TestLogrotate(t *testing.T) {
	for name, change := range map[string]string{
		"monthly":     "",
		"weekly":      "s/monthly/weekly/",
		"dates":       "s/monthly/monthly\\n    dateext/",
		"Debian's":    "debian",
		"at once, gz": "/delaycompress/d",
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, debian13)
			if change != "debian" {
				m.write("/etc/logrotate.d/wtmp", []byte(rotation(t)), 0o644)
				m.sh("sed -i '" + change + "' /etc/logrotate.d/wtmp")
			}
			m.sh("systemctl mask systemd-firstboot.service systemd-networkd.service logrotate.timer >/dev/null 2>&1; rm -f /var/log/wtmp*; dpkg -i /packages/dist/utmpd_*_amd64.deb")
			b := m.start()
			b.works()
			b.login("alice", "pts/3")
			b.sh("logrotate -f -s /root/state /etc/logrotate.conf")
			b.is("the new log", "stat -c '%A %U:%G %s' /var/log/wtmp", "-rw-rw-r-- root:utmp 0")
			b.sh("systemctl kill -s KILL session-alice")
			b.records("her logout", "/var/log/wtmp", "-pts/3")
			b.is("her session", "utmpctl last | awk '/^alice/ { print $2, $NF }'", "pts/3 utmpd")
			b.shutDown()
		})
	}
}
