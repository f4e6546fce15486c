// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestUnits checks the units with systemd's own analysis, in both versions. Some settings
// would improve the score but hide processes or terminals from utmpd.
func TestUnits(t *testing.T) {
	for _, root := range []string{debian12, debian13} {
		t.Run(root, func(t *testing.T) {
			m := newMachine(t, root)
			m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
			// Calls that are younger than this systemd. It takes the unit all the same.
			verify := "systemd-analyze verify --man=no utmpd.service utmpd-boot.service utmpd-shutdown.service 2>&1 | " +
				`sed -E "/[Ss]ystem call,? .*(setxattrat|removexattrat|file_setattr|fchmodat2)|System call file_setattr is not known/d"`
			if root == debian12 { // whose systemd is older than these keys
				verify += ` | sed "/Unknown key 'Restart\(Steps\|MaxDelaySec\)' in section/d"`
			}
			m.is("systemd-analyze verify", verify, "")
			for unit, most := range map[string]float64{"utmpd": 1.5, "utmpd-boot": 1.5, "utmpd-shutdown": 1.5} {
				out := m.sh("systemd-analyze security --no-pager --offline=true /usr/lib/systemd/system/" + unit + ".service")
				found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
				if found == nil {
					t.Fatalf("no exposure level of %s in:\n%s", unit, out)
				}
				t.Logf("%s.service: %s", unit, found[1])
				if level, err := strconv.ParseFloat(found[1], 64); err != nil || level > most {
					t.Errorf("%s.service: exposure %s, want %v at most:\n%s", unit, found[1], most, out)
				}
			}
		})
	}
}

// TestUnitsSee checks that no setting hides processes, their users or terminals from
// utmpd, and that no setting names a file that a rotation replaces.
func TestUnitsSee(t *testing.T) {
	for _, unit := range []string{"utmpd", "utmpd-boot", "utmpd-shutdown"} {
		for line := range strings.Lines(string(readFile(t, "../../init/systemd/"+unit+".service"))) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "ProtectProc", "ProcSubset", "PrivateUsers", "PrivateDevices", "PrivatePIDs":
				// utmpctl boot uses no terminals.
				if unit != "utmpd-boot" || key != "PrivateDevices" {
					t.Errorf("%s.service has %s=%s", unit, key, value)
				}
			case "ReadWritePaths":
				for path := range strings.FieldsSeq(value) {
					if path = strings.TrimPrefix(path, "-"); path != "/run" && path != "/var/log" && path != "/var/lib/utmpd" {
						t.Errorf("%s.service: %s is writable", unit, path)
					}
				}
			}
		}
	}
}

// TestServiceFiles checks the form of the other service managers' files with the
// available tools, and the shell scripts that build and install them.
func TestServiceFiles(t *testing.T) {
	m := newMachine(t, debian13)
	for _, name := range []string{"smf/utmpd.xml", "smf/site-utmpd", "sysv/utmpd", "sysv/utmpd-boot", "openrc/utmpd", "openrc/utmpd-boot",
		"runit/utmpd/run", "runit/utmpd/log/run", "runit/core-services/04-utmpd.sh", "runit/shutdown.d/45-utmpd.sh",
		"s6/utmpd/run", "s6/utmpd-log/run"} {
		m.write("/init/"+name, readFile(t, "../../init/"+name), 0o755)
	}
	scripts := []string{"install.sh", "build.sh", "tarball.sh", "version.sh", "copyright.sh", "layout.sh", "root.sh", "lib.sh", "fleet/build.sh", "fleet/postinst", "fleet/prerm", "fleet/postrm",
		"deb/postinst", "deb/prerm", "deb/postrm"}
	for _, name := range scripts {
		m.write("/packaging/"+name, readFile(t, "../../packaging/"+name), 0o755)
	}
	m.sh("cd /packaging; shellcheck -s sh " + strings.Join(scripts, " "))
	m.sh("cd /init; xmllint --noout --nonet smf/utmpd.xml")
	m.sh("cd /init; shellcheck -s sh -e SC1091,SC2034 sysv/* smf/site-utmpd runit/utmpd/run runit/utmpd/log/run runit/*/*.sh s6/*/run")
	m.sh("cd /init; shellcheck -s sh -e SC2034,SC2154 openrc/*")
}

// TestSysvScript checks the sysvinit script on a machine without another service manager.
func TestSysvScript(t *testing.T) {
	m := newMachine(t, bare12)
	const not = "not() { if \"$@\"; then return 1; fi; }\n" // set -e ignores !
	m.sh(not + `dpkg -i /packages/dist/utmpd_*_amd64.deb
		: >/run/utmp; chgrp utmp /run/utmp; chmod 664 /run/utmp
		not /etc/init.d/utmpd status
		/etc/init.d/utmpd start
		pid=$(cat /run/utmpd/utmpd.pid)
		/etc/init.d/utmpd start
		/etc/init.d/utmpd status
		[ "$(ps -o user= -p $pid)" = utmpd ]
		grep -q "^CapEff:.0000000000000000" /proc/$pid/status
		grep -q "^CapEff:.0000000000000008" /proc/$(cat /proc/$pid/task/*/children | tr -d ' ')/status
		/etc/init.d/utmpd reload
		echo SCAN_PERIOD=never >>/etc/default/utmpd
		not /etc/init.d/utmpd reload
		/etc/init.d/utmpd restart >/tmp/said
		grep -qx "Starting session records daemon: utmpd." /tmp/said
		[ "$(cat /run/utmpd/utmpd.pid)" != $pid ]
		/etc/init.d/utmpd stop
		not /etc/init.d/utmpd status
		/etc/init.d/utmpd stop`)
	// A stale or foreign pid file must not make the script take another process
	// for utmpd or kill it.
	m.sh(not + `/etc/init.d/utmpd start
		pid=$(cat /run/utmpd/utmpd.pid)
		kill -9 $pid
		# A process that waits for the disk keeps its locks until it is gone.
		while kill -0 $pid 2>/dev/null; do sleep 0.05; done
		sleep 600 &
		echo $! >/run/utmpd/utmpd.pid
		not /etc/init.d/utmpd status
		not /etc/init.d/utmpd reload
		/etc/init.d/utmpd stop
		kill -0 $!
		/etc/init.d/utmpd start
		/etc/init.d/utmpd status
		[ "$(cat /run/utmpd/utmpd.pid)" != $! ]
		kill $!
		pid=$(cat /run/utmpd/utmpd.pid)
		echo "NONSENSE='" >>/etc/default/utmpd # of which a shell reads nothing more
		/etc/init.d/utmpd stop
		not kill -0 $pid`)
	m.is("a shutdown of init", "rm -f /var/log/wtmp; : >/var/log/wtmp; RUNLEVEL= /etc/init.d/utmpd-boot stop; stat -c %s /var/log/wtmp", "0")
	m.sh("/etc/init.d/utmpd-boot start && RUNLEVEL=6 /etc/init.d/utmpd-boot stop")
}

// TestContainer checks that in a container the start of the container is the boot,
// however long the kernel has run.
func TestContainer(t *testing.T) {
	m := newMachine(t, bare12)
	m.sh(`dpkg -i /packages/dist/utmpd_*_amd64.deb
		echo BOOT_RECORDS=yes >>/etc/default/utmpd
		rm -f /var/lib/utmpd/boot /run/utmp; : >/var/log/wtmp
		sleep 3
		now=$(date +%s)
		at=$(unshare --pid --fork --mount-proc utmpctl boot -n | sed -n 's|.*/wtmp: BOOT_TIME .* time=||p')
		echo "booted at $at, it is $(date -u +%FT%TZ)"
		[ $(date -d "$at" +%s) -ge $((now - 1)) ]`)
}
