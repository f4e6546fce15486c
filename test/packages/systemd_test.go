// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestSystemd follows a machine: utmpd is installed while it runs, killed and reloaded;
// the power fails and returns; the machine shuts down; utmpd is removed.
func TestSystemd(t *testing.T) {
	for _, root := range []string{debian12, debian13} {
		t.Run(root, func(t *testing.T) {
			m := newMachine(t, root)
			m.sh("rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp; systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1")
			// A service that has no limit of its own may fail five times in an hour.
			m.sh("mkdir -p /etc/systemd/system.conf.d; printf '[Manager]\\nDefaultStartLimitIntervalSec=1h\\n' >/etc/systemd/system.conf.d/limit.conf")
			b := m.start()
			b.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
			b.works()
			b.is("what the first run of the boot helper complains of", "journalctl -b -o cat --no-pager -u utmpd-boot | grep '^utmpctl:' || true", "")
			b.login("alice", "pts/7")
			b.login("bob", "pts/8")
			b.sh("systemctl kill -s KILL session-alice")
			b.records("alice's logout", "/var/log/wtmp", "boot", "+alice", "+bob", "-pts/7")
			b.records("alice's end", "/run/utmp", "boot", "-pts/7", "+bob")
			b.journal()
			b.failsOften()
			b.sh("systemctl kill -s KILL session-bob")
			b.records("bob's end", "/run/utmp", "boot", "-pts/7", "-pts/8")
			b.reloads()
			b.login("carol", "pts/9")
			b.sh("sync")
			b.cut()

			b = m.start()
			b.works()
			log := []string{"boot", "+alice", "+bob", "-pts/7", "-pts/8", "+carol", "down", "boot"}
			b.records("the crash", "/var/log/wtmp", log...)
			b.login("dave", "pts/3")
			b.shutDown()
			log = append(log, "+dave", "-pts/3", "down")
			m.records("the shutdown", log...)

			b = m.start()
			b.works()
			log = append(log, "boot")
			b.records("no crash", "/var/log/wtmp", log...)
			b.sh("dpkg -P utmpd")
			b.sh("! systemctl is-active -q utmpd; ! pidof utmpd")
			b.records("the removal is no shutdown", "/var/log/wtmp", log...)
			b.shutDown()
		})
	}
}

// works checks that utmpd runs as it should.
func (b *boot) works() {
	b.m.t.Helper()
	b.waitFor("utmpd", "systemctl is-active -q utmpd && test -e /run/utmp")
	b.is("the units", "systemctl show -p ActiveState --value utmpd utmpd-boot utmpd-shutdown | paste -sd ' '", "active  active  active")
	b.is("its user and groups", "ps -o user=,group=,supgrp= -p $(systemctl show -p MainPID --value utmpd) | tr -s ' '", "utmpd utmpd utmp,utmpd")
	caps := "grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp:' /proc/%s/status | tr -s '\\t' ' '"
	b.is("its capabilities", fmt.Sprintf(caps, "$(systemctl show -p MainPID --value utmpd)"),
		"CapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: 0000000000000008\nCapAmb: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2")
	b.is("those of its process for the access time", fmt.Sprintf(caps, "$(pgrep -P $(systemctl show -p MainPID --value utmpd))"),
		"CapPrm: 0000000000000008\nCapEff: 0000000000000008\nCapBnd: 0000000000000008\nCapAmb: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2")
	b.is("its files", "stat -c '%A %U:%G %n' /run/utmp /var/log/wtmp /run/utmpd /var/lib/utmpd",
		"-rw-rw-r-- root:utmp /run/utmp\n-rw-rw-r-- root:utmp /var/log/wtmp\ndrwxr-xr-x utmpd:utmpd /run/utmpd\ndrwxr-xr-x utmpd:utmpd /var/lib/utmpd")
	if log := b.sh("journalctl -u utmpd -u utmpd-boot -b -o cat --no-pager"); strings.Contains(log, "level=WARN") ||
		strings.Contains(log, "level=ERROR") || strings.Contains(log, "missing=") || strings.Contains(log, "without a part") {
		b.m.t.Errorf("the journal reports that something is missing:\n%s", log)
	}
}

// journal checks that the end of a session can be searched for by its fields, and that
// journalctl explains it.
func (b *boot) journal() {
	b.m.t.Helper()
	const query = "journalctl -b --no-pager -u utmpd MESSAGE_ID=6938f697a1724e1b92f27fd0f89453c9 UTMP_USER=alice "
	b.waitFor("the end in the journal", query+"| grep -q alice")
	b.is("its fields", query+"-o export | grep -aE '^(UTMP_(LINE|USER|LOGOUT)|PRIORITY|SYSLOG_IDENTIFIER|_SYSTEMD_UNIT)=' | sort",
		"PRIORITY=6\nSYSLOG_IDENTIFIER=utmpd\nUTMP_LINE=pts/7\nUTMP_LOGOUT=written\nUTMP_USER=alice\n_SYSTEMD_UNIT=utmpd.service")
	b.sh("printf 'MESSAGE=forged\\nMESSAGE_ID=6938f697a1724e1b92f27fd0f89453c9\\nUTMP_USER=alice\\nUTMP_LINE=pts/9\\n' | setpriv --reuid=nobody --clear-groups logger --journald && journalctl --sync")
	b.is("what anybody can write there", "journalctl -b -o cat UTMP_LINE=pts/9", "forged")
	b.is("and what is asked for, without it", query+"-o cat | grep -c forged || true", "0")
	b.is("the explanation", query+"-x | grep -c 'Subject: utmpd has cleaned the record of session pts/7 of user alice'", "1")
}

// restarts kills the daemon. systemd starts another, which knows the sessions.
func (b *boot) restarts() {
	b.m.t.Helper()
	pid := b.sh("systemctl show -p MainPID --value utmpd")
	b.sh("kill -KILL " + pid)
	b.waitFor("another utmpd", `new=$(systemctl show -p MainPID --value utmpd); [ "$new" != 0 ] && [ "$new" != `+pid+` ] &&
		grep -q "^pid: $new$" /run/utmpd/status && grep -q "^watched: 1$" /run/utmpd/status`)
}

// failsOften kills the daemon more often than a service may fail by default. It is started
// again each time, here at once.
func (b *boot) failsOften() {
	b.m.t.Helper()
	const dir = "/run/systemd/system/utmpd.service.d"
	b.sh("mkdir -p " + dir + "; printf '[Service]\\nRestartSec=0\\nRestartSteps=0\\n' >" + dir + "/fast.conf; systemctl daemon-reload")
	for range 8 {
		b.restarts()
	}
	b.sh("rm -r " + dir + "; systemctl daemon-reload; ! journalctl -b -o cat | grep 'utmpd.*repeated too quickly'")
}

// reloads changes the settings. A reload with bad settings fails.
func (b *boot) reloads() {
	b.m.t.Helper()
	b.sh("cp /etc/default/utmpd /tmp/good; echo GRACE_PERIOD=0.5 >>/etc/default/utmpd; systemctl reload utmpd")
	b.waitFor("the new settings", "journalctl -u utmpd -b -o cat | grep -q 'configuration read again.*GRACE_PERIOD=500ms\\|configuration read again'")
	b.sh("echo SCAN_PERIOD=never >>/etc/default/utmpd; ! systemctl reload utmpd 2>/dev/null; systemctl is-active -q utmpd")
	b.waitFor("the fault", "journalctl -u utmpd -b -o cat | grep -q 'utmpd:.*SCAN_PERIOD'")
	b.sh("cp /tmp/good /etc/default/utmpd; systemctl reload utmpd")
}

func (b *boot) is(what, script, want string) {
	b.m.t.Helper()
	if diff := cmp.Diff(want, b.sh(script)); diff != "" {
		b.m.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// records waits until a file of the running machine holds the given records.
func (b *boot) records(what, name string, want ...string) {
	b.m.t.Helper()
	path := fmt.Sprintf("/proc/%d/root%s", b.pid, name)
	var got []string
	same := false
	for range 400 {
		if got = read(b.m.t, path); cmp.Equal(got, want) {
			same = true
			break
		}
		b.sh("sleep 0.05")
	}
	if !same {
		b.m.t.Fatalf("%s: %s holds other records (-want +got):\n%s\n%s", what, name, cmp.Diff(want, got),
			b.sh("journalctl -b -o short-monotonic --no-pager | grep utmp"))
	}
}

// records compares the contents of wtmp after the machine is down.
func (m *machine) records(what string, want ...string) {
	m.t.Helper()
	if diff := cmp.Diff(want, read(m.t, filepath.Join(m.dir, "upper/var/log/wtmp"))); diff != "" {
		m.t.Errorf("%s: wtmp holds other records (-want +got):\n%s", what, diff)
	}
}

// read returns one word for each record of a file, without those of runlevels.
func read(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	layout := utmpx.Native()
	for ; len(b) >= layout.Size(); b = b[layout.Size():] {
		r := layout.Decode(string(b[:layout.Size()]))
		switch {
		case r.Type == utmpx.BootTime, r.User == "reboot": // openrc-init's has another type
			words = append(words, "boot")
		case r.Type == utmpx.UserProcess:
			words = append(words, "+"+r.User)
		case r.Type == utmpx.DeadProcess:
			words = append(words, "-"+r.Line)
		case r.User == "shutdown":
			words = append(words, "down")
		case r.User != "runlevel":
			words = append(words, fmt.Sprintf("%v", r))
		}
	}
	return words
}

// TestSystemdIsolate checks that isolating another target, which stops services, is not
// recorded as a shutdown.
func TestSystemdIsolate(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("rm -f /var/log/wtmp; install -m 664 -o root -g utmp /dev/null /var/log/wtmp; systemctl mask systemd-firstboot.service systemd-networkd.service >/dev/null 2>&1")
	// Like emergency.target, which itself needs a console.
	m.write("/etc/systemd/system/bare.target", []byte("[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n"), 0o644)
	b := m.start()
	b.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	b.works()
	b.sh("systemctl isolate bare.target")
	b.waitFor("utmpd to have been stopped", "! systemctl is-active -q utmpd")
	b.is("the units", "systemctl show -p ActiveState --value utmpd-boot utmpd-shutdown | paste -sd ' '", "active  active")
	b.records("no end", "/var/log/wtmp", "boot")
	b.shutDown()
	m.records("the end", "boot", "down")
}
