// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"strings"
	"testing"
)

// TestLintian checks that lintian reports only what packaging/deb/lintian-overrides
// explains.
func TestLintian(t *testing.T) {
	m := newMachine(t, debian13)
	m.is("lintian", "lintian --allow-root --no-cfg --fail-on error,warning --tag-display-limit 0 /packages/dist/*_amd64.deb 2>&1 || true", "")
}

// TestManualPages checks that mandoc reports only references to pages that are not on
// this machine.
func TestManualPages(t *testing.T) {
	m := newMachine(t, debian13)
	for _, page := range []string{"utmpd.8", "utmpctl.8", "last.1", "utmpdump.1"} {
		m.write("/root/"+page, readFile(t, "../../man/"+page), 0o644)
		m.is(page, "mandoc -Tlint /root/"+page+" | grep -v 'referenced manual not found' || true", "")
	}
}

// TestRPM checks the rpm with rpm's own tools, and installs and removes it. The machine
// runs Debian, so the packages that it depends on have other names there.
func TestRPM(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("cd /packages/dist && rpm -K *.rpm")
	for _, known := range []string{"statically-linked-binary", "spelling-error", "not-listed-as-documentation",
		"no-signature", "no-changelogname-tag"} {
		m.sh("echo 'addFilter(\"" + known + "\")' >>/root/known")
	}
	if out, status := m.try("rpmlint -r /root/known /packages/dist/*.x86_64.rpm"); status != 0 {
		t.Errorf("rpmlint: status %d\n%s", status, out)
	}
	m.is("its configuration and documents", "rpm -qpcd /packages/dist/*.x86_64.rpm",
		"/etc/default/utmpd\n/usr/share/doc/utmpd/architecture.md\n/usr/share/doc/utmpd/events.md\n/usr/share/doc/utmpd/events.schema.json\n/usr/share/man/man1/utmpd-last.1.gz\n/usr/share/man/man1/utmpd-utmpdump.1.gz\n/usr/share/man/man8/utmpctl.8.gz\n/usr/share/man/man8/utmpd.8.gz")

	m.sh("rm -f /var/log/wtmp; rpm -i --nodeps /packages/dist/*.x86_64.rpm")
	m.is("after the installation", "id -nG utmpd; stat -c '%A %U:%G' /var/log/wtmp /usr/sbin/utmpd /usr/sbin/utmpctl /etc/default/utmpd; rpm -V --nodeps utmpd",
		"utmpd utmp\n-rw-rw-r-- root:utmp\n-rwxr-xr-x root:root\n-rwxr-xr-x root:root\n-rw-r--r-- root:root")
	m.is("what the presets enable", "cd /etc/systemd/system; ls -d */utmpd* | sort",
		"multi-user.target.wants/utmpd.service\nsysinit.target.wants/utmpd-boot.service\nsysinit.target.wants/utmpd-shutdown.service")
	m.sh("echo GRACE_PERIOD=2 >>/etc/default/utmpd; rpm -e --nodeps utmpd")
	m.is("after the removal", "find /usr/sbin/utmp* /etc/systemd/system/*/utmpd* 2>/dev/null || true; tail -1 /etc/default/utmpd.rpmsave; getent passwd utmpd | cut -d: -f1",
		"GRACE_PERIOD=2\nutmpd")
}

// TestCompletions checks that the shells load the completions from the packages'
// directories.
func TestCompletions(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	if out := m.sh("bash -n /usr/share/bash-completion/completions/utmpctl && bash -c '. /usr/share/bash-completion/completions/utmpctl && complete -p utmpctl'"); !strings.Contains(out, "utmpctl") {
		t.Errorf("bash completes nothing: %q", out)
	}
}
