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
		"/etc/default/utmpd\n/usr/share/doc/utmpd/architecture.md\n/usr/share/doc/utmpd/contrib/grafana/utmpd.json\n/usr/share/doc/utmpd/contrib/prometheus/utmpd.rules.test.yml\n/usr/share/doc/utmpd/contrib/prometheus/utmpd.rules.yml\n/usr/share/doc/utmpd/dashboard.png\n/usr/share/doc/utmpd/events.md\n/usr/share/doc/utmpd/events.schema.json\n/usr/share/doc/utmpd/monitoring.md\n/usr/share/man/man1/utmpd-last.1.gz\n/usr/share/man/man1/utmpd-utmpdump.1.gz\n/usr/share/man/man8/utmpctl.8.gz\n/usr/share/man/man8/utmpd.8.gz")

	m.sh("rm -f /var/log/wtmp; rpm -i --nodeps /packages/dist/*.x86_64.rpm")
	m.is("after the installation", "id -nG utmpd; stat -c '%A %U:%G' /var/log/wtmp /usr/sbin/utmpd /usr/sbin/utmpctl /etc/default/utmpd; rpm -V --nodeps utmpd",
		"utmpd utmp\n-rw-rw-r-- root:utmp\n-rwxr-xr-x root:root\n-rwxr-xr-x root:root\n-rw-r--r-- root:root")
	m.is("what the presets enable", "cd /etc/systemd/system; ls -d */utmpd* | sort",
		"multi-user.target.wants/utmpd.service\nsysinit.target.wants/utmpd-boot.service\nsysinit.target.wants/utmpd-shutdown.service")
	m.sh("echo GRACE_PERIOD=2 >>/etc/default/utmpd; rpm -e --nodeps utmpd")
	m.is("after the removal", "find /usr/sbin/utmp* /etc/systemd/system/*/utmpd* 2>/dev/null || true; tail -1 /etc/default/utmpd.rpmsave; getent passwd utmpd | cut -d: -f1",
		"GRACE_PERIOD=2\nutmpd")
}

// TestCompletions checks that real shells find the completions in the package's directories
// and answer as a person would see it.
func TestCompletions(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb; touch '/root/a file'")
	m.write("/root/pressed.zsh", []byte(pressed), 0o644)
	shells := []struct{ name, complete string }{
		{"bash", `. /usr/share/bash-completion/completions/utmpctl
			complete -p utmpctl >/dev/null
			words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _utmpctl; printf '%s\n' "${COMPREPLY[@]}"; }`},
		{"fish", `function words; complete -C (string join ' ' -- (string escape -- $argv[1..-2]) $argv[-1]) | cut -f1; end`},
		{"zsh", `words() { zsh -f /root/pressed.zsh "${(j: :)@}"; }`},
	}
	asked := []struct{ words, want string }{
		{"utmpctl down", "downtime"},
		{"utmpctl last -ended", "-ended-by"},
		{"utmpctl last -ended-by shut", "shutdown"},
		{"utmpctl dump -to illumos-372-b", "illumos-372-be"},
		{"utmpctl check /root/a", "/root/a file"},
		{"utmpctl completion f", "fish"},
	}
	for _, s := range shells {
		for _, a := range asked {
			m.is(s.name+": "+a.words, s.name+" -c '"+strings.ReplaceAll(s.complete, "'", `'\''`)+"\nwords "+a.words+"' | sort -u", a.want)
		}
	}
}

// pressed completes its argument in an interactive zsh with the tab key, and prints the last
// word of the line that results.
const pressed = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'autoload -Uz compinit && compinit -u -d /root/compinit
	show() { print -r -- "is <${(Q)${(z)BUFFER}[-1]}>" }
	zle -N show && bindkey "^X" show; print REA""DY'
zpty -r shell seen '*READY*'
zpty -n -w shell "$1"$'\t\x18'
zpty -r shell seen '*is <*>*'
print -r -- ${${seen##*is <}%%>*}
`
