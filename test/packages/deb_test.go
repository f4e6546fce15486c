// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// installed is the state of a machine with the package installed.
const installed = `
for f in /usr/sbin/utmpd /usr/bin/utmpctl /etc/default/utmpd /etc/init.d/utmpd /etc/init.d/utmpd-boot \
	/usr/lib/systemd/system/utmpd.service /usr/lib/systemd/system/utmpd-boot.service \
	/usr/lib/systemd/system/utmpd-shutdown.service /usr/lib/sysusers.d/utmpd.conf \
	/usr/share/man/man8/utmpd.8.gz /usr/share/man/man8/utmpctl.8.gz /usr/share/man/man8/utmpctl-last.8.gz /usr/share/man/man5/utmpd-files.5.gz \
	/usr/share/man/man1/utmpd-last.1.gz /usr/share/man/man1/utmpd-utmpdump.1.gz /usr/share/pam-configs/utmpd \
	/usr/libexec/utmpd/last /usr/libexec/utmpd/lastb /usr/libexec/utmpd/utmpdump \
	/usr/share/bash-completion/completions/utmpctl /usr/share/zsh/vendor-completions/_utmpctl \
	/usr/share/fish/vendor_completions.d/utmpctl.fish /var/log/wtmp; do
	stat -c '%A %U:%G %n' $f
done
id -nG utmpd
getent passwd utmpd | cut -d: -f6,7
dpkg --verify utmpd
(cd / && find etc/rc*.d etc/systemd -name "*utmpd*" | sed "s,/\([KS]\)[0-9]*utmpd,/\1 utmpd," | sort)
`

const wantInstalled = `-rwxr-xr-x root:root /usr/sbin/utmpd
-rwxr-xr-x root:root /usr/bin/utmpctl
-rw-r--r-- root:root /etc/default/utmpd
-rwxr-xr-x root:root /etc/init.d/utmpd
-rwxr-xr-x root:root /etc/init.d/utmpd-boot
-rw-r--r-- root:root /usr/lib/systemd/system/utmpd.service
-rw-r--r-- root:root /usr/lib/systemd/system/utmpd-boot.service
-rw-r--r-- root:root /usr/lib/systemd/system/utmpd-shutdown.service
-rw-r--r-- root:root /usr/lib/sysusers.d/utmpd.conf
-rw-r--r-- root:root /usr/share/man/man8/utmpd.8.gz
-rw-r--r-- root:root /usr/share/man/man8/utmpctl.8.gz
-rw-r--r-- root:root /usr/share/man/man8/utmpctl-last.8.gz
-rw-r--r-- root:root /usr/share/man/man5/utmpd-files.5.gz
-rw-r--r-- root:root /usr/share/man/man1/utmpd-last.1.gz
-rw-r--r-- root:root /usr/share/man/man1/utmpd-utmpdump.1.gz
-rw-r--r-- root:root /usr/share/pam-configs/utmpd
lrwxrwxrwx root:root /usr/libexec/utmpd/last
lrwxrwxrwx root:root /usr/libexec/utmpd/lastb
lrwxrwxrwx root:root /usr/libexec/utmpd/utmpdump
-rw-r--r-- root:root /usr/share/bash-completion/completions/utmpctl
-rw-r--r-- root:root /usr/share/zsh/vendor-completions/_utmpctl
-rw-r--r-- root:root /usr/share/fish/vendor_completions.d/utmpctl.fish
-rw-rw-r-- root:utmp /var/log/wtmp
utmpd utmp
/nonexistent:/usr/sbin/nologin
etc/rc0.d/K utmpd
etc/rc0.d/K utmpd-boot
etc/rc1.d/K utmpd
etc/rc2.d/S utmpd
etc/rc3.d/S utmpd
etc/rc4.d/S utmpd
etc/rc5.d/S utmpd
etc/rc6.d/K utmpd
etc/rc6.d/K utmpd-boot
etc/rcS.d/S utmpd-boot
etc/systemd/system/multi-user.target.wants/utmpd.service
etc/systemd/system/sysinit.target.wants/utmpd-boot.service
etc/systemd/system/sysinit.target.wants/utmpd-shutdown.service`

// Machines without running services, as in an image build, with a tool that creates
// users.
var debians = []struct{ name, root, prepare string }{
	{"Debian 12", debian12, "rm /usr/sbin/adduser"},
	{"Debian 12, no sysusers", debian12, "rm /usr/bin/systemd-sysusers"},
	{"Debian 12, no systemd", bare12, ""},
	{"Debian 12, nothing may start", debian12, `printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`},
	{"Debian 13", debian13, "rm /usr/sbin/adduser"},
	{"Debian 13, no sysusers", debian13, "rm /usr/bin/systemd-sysusers"},
}

// TestDeb installs, upgrades, removes, installs again and purges the package.
func TestDeb(t *testing.T) {
	for _, d := range debians {
		t.Run(d.name, func(t *testing.T) {
			m := newMachine(t, d.root)
			m.sh(d.prepare + "\nrm -f /var/log/wtmp; find / -xdev | sort >/root/before")
			m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
			m.is("after the installation", installed, wantInstalled)
			m.sh("echo GRACE_PERIOD=2 >>/etc/default/utmpd; utmpd -check; echo login >/var/log/wtmp; echo note >/var/lib/utmpd/heartbeat")

			m.sh("rm /etc/systemd/system/multi-user.target.wants/utmpd.service")
			m.sh("dpkg -i /packages/newer/utmpd_*_amd64.deb </dev/null")
			m.is("after the upgrade", "dpkg-query -W utmpd; tail -1 /etc/default/utmpd; cat /var/log/wtmp; ls /etc/systemd/system/multi-user.target.wants | grep utmpd || echo disabled as it was",
				"utmpd\t99-1\nGRACE_PERIOD=2\nlogin\ndisabled as it was")

			m.sh("dpkg -r utmpd")
			m.is("after the removal", left, removed)
			m.sh("dpkg -i /packages/newer/utmpd_*_amd64.deb </dev/null")
			m.is("after another installation", "tail -1 /etc/default/utmpd; cat /var/lib/utmpd/heartbeat", "GRACE_PERIOD=2\nnote")
			m.sh("dpkg -P utmpd")
			m.is("after the purge", left+"\ngetent passwd utmpd | cut -d: -f1", "/var/log/wtmp\nutmpd")
		})
	}
}

// left returns the files that were not there before, except those that dpkg and the user
// databases keep.
const left = `find / -xdev | sort | comm -13 /root/before - |
	grep -Ev '^/(root/before|run($|/)|var/lib/dpkg/|var/lib/systemd/deb-systemd-helper|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|var/log/(dpkg|alternatives)|var/cache|etc/rc..d/[KS]..[^u]|etc/rc..d/[KS]..um|.*\.wants$)' | sed "s,/\([KS]\)[0-9]*utmpd,/\1 utmpd," || true`

const removed = `/etc/default/utmpd
/etc/init.d/utmpd
/etc/init.d/utmpd-boot
/etc/rc0.d/K utmpd
/etc/rc0.d/K utmpd-boot
/etc/rc1.d/K utmpd
/etc/rc2.d/S utmpd
/etc/rc3.d/S utmpd
/etc/rc4.d/S utmpd
/etc/rc5.d/S utmpd
/etc/rc6.d/K utmpd
/etc/rc6.d/K utmpd-boot
/etc/rcS.d/S utmpd-boot
/etc/systemd/system/sysinit.target.wants/utmpd-boot.service
/etc/systemd/system/sysinit.target.wants/utmpd-shutdown.service
/var/lib/utmpd
/var/lib/utmpd/heartbeat
/var/log/wtmp`

// TestDebNeedsUsers checks that dpkg refuses the package if no tool can create the user.
func TestDebNeedsUsers(t *testing.T) {
	m := newMachine(t, bare12)
	m.sh("dpkg --force-depends -r adduser")
	if out, status := m.try("dpkg -i /packages/dist/utmpd_*_amd64.deb"); status == 0 || !strings.Contains(out, "utmpd depends on") {
		t.Errorf("status %d, and it says:\n%s", status, out)
	}
}

// TestWtmpIsKept checks that an existing wtmp is not changed.
func TestWtmpIsKept(t *testing.T) {
	m := newMachine(t, debian12)
	m.sh("rm -f /var/log/wtmp; echo login >/var/log/wtmp; chmod 640 /var/log/wtmp; dpkg -i /packages/dist/utmpd_*_amd64.deb")
	m.is("wtmp", "stat -c '%a %U:%G' /var/log/wtmp; cat /var/log/wtmp", "640 root:root\nlogin")
}

// is compares the output of a script.
func (m *machine) is(what, script, want string) {
	m.t.Helper()
	if diff := cmp.Diff(want, m.sh(script)); diff != "" {
		m.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestSysvOrder checks the order that insserv computes: the boot helper starts after the
// file systems are mounted and before the services that need it, and stops after utmpd
// and before the file systems are unmounted.
func TestSysvOrder(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	for dir, want := range map[string]string{
		"rcS.d": "checkroot.sh mountall.sh bootmisc.sh utmpd-boot",
		"rc0.d": "utmpd utmpd-boot umountnfs.sh umountfs halt",
		"rc6.d": "utmpd utmpd-boot umountnfs.sh umountfs reboot",
		"rc2.d": "utmpd",
	} {
		m.is(dir, "cd /etc/"+dir+`; for s in *; do case " `+want+` " in *" ${s#???} "*) echo ${s#???};; esac; done | paste -sd " "`, want)
	}
}

// TestBrokenLog checks that the package installs even if wtmp cannot be read.
func TestBrokenLog(t *testing.T) {
	m := newMachine(t, bare12)
	m.sh(`printf '#!/bin/sh\nexit 0\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d
		yes 'no records' | head -c 4000 >/var/log/wtmp
		: >/run/utmp; chgrp utmp /run/utmp; chmod 664 /run/utmp
		dpkg -i /packages/dist/utmpd_*_amd64.deb
		/etc/init.d/utmpd status
		/etc/init.d/utmpd stop`)
}

// TestReplacements installs the package where util-linux has last, and where nobody has.
func TestReplacements(t *testing.T) {
	for _, d := range []struct{ name, root, last, offer, without string }{
		{"Debian 12", debian12, "/usr/bin/last", "", "/usr/bin/last"},
		{"Debian 13", debian13, "/usr/bin/utmpctl", "\nPriority: 5", ""},
	} {
		t.Run(d.name, func(t *testing.T) {
			m := newMachine(t, d.root)
			m.sh("rm -f /var/log/wtmp; dpkg -i /packages/dist/utmpd_*_amd64.deb")
			m.is("with the package", "readlink -e /usr/bin/last; last | tail -1 | cut -d' ' -f1,2; update-alternatives --query last 2>/dev/null | grep Priority || true",
				d.last+"\nwtmp begins"+d.offer)
			m.is("by its own name", "/usr/libexec/utmpd/utmpdump --version | cut -d' ' -f1-3; /usr/libexec/utmpd/lastb --version | cut -d' ' -f1-3",
				"utmpdump from utmpd\nlastb from utmpd")
			// Another last, of higher priority, is the one until somebody chooses ours.
			if d.without == "" {
				m.sh("printf '#!/bin/sh\\necho another\\n' >/opt/last; chmod 755 /opt/last; update-alternatives --quiet --install /usr/bin/last last /opt/last 50")
				m.is("beside another one", "last", "another")
				m.sh("update-alternatives --quiet --set last /usr/libexec/utmpd/last")
				m.is("chosen", "last --version | cut -d' ' -f1-3", "last from utmpd")
				m.sh("update-alternatives --quiet --remove last /opt/last")
			}
			m.is("in PATH", "PATH=/usr/libexec/utmpd:$PATH; last --version | cut -d' ' -f1-3", "last from utmpd")
			m.sh("dpkg -r utmpd")
			m.is("after the removal", "readlink -e /usr/bin/last || true; ls /etc/alternatives | grep -x -e last -e lastb -e utmpdump || true", d.without)
		})
	}
}

// TestOthersLinks checks that links of other packages by the names of the programs stay: Debian
// 12's lastb, and those of wtmpdb in Debian 13, installed before utmpd or after it.
// update-alternatives takes any link for its own.
func TestOthersLinks(t *testing.T) {
	const links = "cd /usr; readlink bin/last bin/lastb bin/utmpdump share/man/man1/last.1.gz share/man/man1/lastb.1.gz || true"
	t.Run("Debian 12", func(t *testing.T) {
		m := newMachine(t, debian12)
		before := m.sh(links)
		if !strings.Contains(before, "last") {
			t.Fatalf("util-linux has the links %q", before)
		}
		m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
		m.is("with the package", links, before)
		m.sh("dpkg -r utmpd")
		m.is("after the removal", links, before)
	})
	t.Run("Debian 13", func(t *testing.T) {
		m := newMachine(t, debian13)
		m.sh("mkdir -p /usr/share/man/man1; ln -s wtmpdb /usr/bin/last; ln -s wtmpdb.8.gz /usr/share/man/man1/last.1.gz; dpkg -i /packages/dist/utmpd_*_amd64.deb")
		m.is("before utmpd", "readlink /usr/bin/last /usr/share/man/man1/last.1.gz /usr/bin/lastb", "wtmpdb\nwtmpdb.8.gz\n/etc/alternatives/lastb")
		m.sh("ln -sfn wtmpdb /usr/bin/lastb; dpkg -i /packages/dist/utmpd_*_amd64.deb") // as dpkg unpacks it
		m.is("after utmpd", "readlink /usr/bin/lastb", "wtmpdb")
		m.sh("dpkg -r utmpd")
		m.is("after the removal", links, "wtmpdb\nwtmpdb\nwtmpdb.8.gz")
	})
}
