// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"os"
	"path/filepath"
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
// this machine, and that no line is wider than a terminal.
func TestManualPages(t *testing.T) {
	m := newMachine(t, debian13)
	pages, err := filepath.Glob("../../man/*.[1-8]")
	if err != nil || len(pages) < 8 {
		t.Fatalf("pages %q: %v", pages, err)
	}
	for _, path := range pages {
		page := filepath.Base(path)
		m.write("/root/"+page, readFile(t, path), 0o644)
		m.is(page, "mandoc -Tlint /root/"+page+" | grep -v 'referenced manual not found' || true", "")
		m.is(page+", lines of more than 80 columns", "mandoc -Tutf8 -Owidth=80 /root/"+page+" | col -bx | grep -E '^.{81}' || true", "")
	}
}

// TestManualsFound: after make install, man finds the pages by their names.
func TestManualsFound(t *testing.T) {
	m := newMachine(t, debian13)
	execute(t, "../..", []string{"DESTDIR=" + filepath.Join(m.dir, "upper"), "BIN=" + host.bin, "INIT=none"}, "packaging/install.sh", "install")
	m.is("man -w", "man -w utmpd utmpctl utmpctl-last utmpd-files utmpd-last utmpd-utmpdump",
		"/usr/local/share/man/man8/utmpd.8\n/usr/local/share/man/man8/utmpctl.8\n/usr/local/share/man/man8/utmpctl-last.8\n/usr/local/share/man/man5/utmpd-files.5\n/usr/local/share/man/man1/utmpd-last.1\n/usr/local/share/man/man1/utmpd-utmpdump.1")
}

// TestRPM checks the rpm with rpm's own tools.
func TestRPM(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("cd /packages/dist && rpm -K *.rpm")
	m.write("/root/known", readFile(t, "../../packaging/rpm/rpmlintrc"), 0o644)
	if out, status := m.try("rpmlint -r /root/known /packages/dist/*.rpm"); status != 0 || !strings.Contains(out, " 0 errors, 0 warnings") {
		t.Errorf("rpmlint: status %d\n%s", status, out)
	}
	m.is("its configuration and documents", "rpm -qpcd /packages/dist/*.x86_64.rpm",
		"/etc/default/utmpd\n/usr/share/doc/utmpd/CHANGELOG.md\n/usr/share/doc/utmpd/CONTRIBUTING.md\n/usr/share/doc/utmpd/README.md\n/usr/share/doc/utmpd/SECURITY.md\n/usr/share/doc/utmpd/contrib/apparmor/usr.sbin.utmpd\n/usr/share/doc/utmpd/contrib/grafana/utmpd.json\n/usr/share/doc/utmpd/contrib/prometheus/utmpd.rules.test.yml\n/usr/share/doc/utmpd/contrib/prometheus/utmpd.rules.yml\n/usr/share/doc/utmpd/contrib/selinux/utmpd.fc\n/usr/share/doc/utmpd/contrib/selinux/utmpd.te\n/usr/share/doc/utmpd/copyright\n/usr/share/doc/utmpd/docs/architecture.md\n/usr/share/doc/utmpd/docs/ask.md\n/usr/share/doc/utmpd/docs/comparison.md\n/usr/share/doc/utmpd/docs/crashes.md\n/usr/share/doc/utmpd/docs/dashboard.png\n/usr/share/doc/utmpd/docs/events.md\n/usr/share/doc/utmpd/docs/events.schema.json\n/usr/share/doc/utmpd/docs/faq.md\n/usr/share/doc/utmpd/docs/fleet.md\n/usr/share/doc/utmpd/docs/install.md\n/usr/share/doc/utmpd/docs/limits.md\n/usr/share/doc/utmpd/docs/logs.md\n/usr/share/doc/utmpd/docs/monitoring.md\n/usr/share/doc/utmpd/docs/performance.md\n/usr/share/doc/utmpd/docs/report.png\n/usr/share/doc/utmpd/docs/security.md\n/usr/share/doc/utmpd/docs/testing.md\n/usr/share/man/man1/utmpd-last.1.gz\n/usr/share/man/man1/utmpd-utmpdump.1.gz\n/usr/share/man/man5/utmpd-files.5.gz\n/usr/share/man/man8/utmpctl-boot.8.gz\n/usr/share/man/man8/utmpctl-check.8.gz\n/usr/share/man/man8/utmpctl-downtime.8.gz\n/usr/share/man/man8/utmpctl-dump.8.gz\n/usr/share/man/man8/utmpctl-events.8.gz\n/usr/share/man/man8/utmpctl-last.8.gz\n/usr/share/man/man8/utmpctl-login.8.gz\n/usr/share/man/man8/utmpctl-repair.8.gz\n/usr/share/man/man8/utmpctl-report.8.gz\n/usr/share/man/man8/utmpctl-who.8.gz\n/usr/share/man/man8/utmpctl.8.gz\n/usr/share/man/man8/utmpd.8.gz")
	version := strings.TrimSpace(string(readFile(t, "../../VERSION")))
	m.is("what it needs", "rpm -qp --requires /packages/dist/*.x86_64.rpm | grep -v ^rpmlib | sort -u", "/bin/sh\n/usr/sbin/useradd")
	m.is("its scripts", "for s in PREIN POSTIN PREUN POSTUN; do rpm -qp --qf \"%{$s}\" /packages/dist/*.x86_64.rpm | shellcheck -s sh -; done", "")
	for _, name := range []string{"x86_64", "aarch64"} {
		rpm := "/packages/dist/*." + name + ".rpm"
		m.is("its newest change", "rpm -qp --changelog "+rpm+" | sed -n '1s/.* - //p'", version+"-1")
		m.is("its owners and groups", "rpm -qp --qf '[%{FILEUSERNAME}:%{FILEGROUPNAME}\\n]' "+rpm+" | sort -u", "root:root")
	}
	m.is("the machine that the programs are for", "cd /root && rpm2cpio /packages/dist/*.aarch64.rpm | cpio -id --quiet ./usr/sbin/utmpd && od -An -tu2 -j18 -N2 usr/sbin/utmpd", "   183")
}

// TestRPMUnpacks: cpio unpacks the package where it is called, as distributors' tools do,
// and nowhere else. rpm2cpio of Debian 13 would make all names relative; busybox's prints
// the archive as it is.
func TestRPMUnpacks(t *testing.T) {
	old, m := newMachine(t, bare12), another(t, debian13)
	dir, err := os.MkdirTemp(host.dir, "cpio-")
	if err != nil {
		t.Fatal(err)
	}
	archive := "/packages/" + filepath.Base(dir) + "/archive"
	old.sh("busybox rpm2cpio /packages/dist/*.x86_64.rpm >" + archive)
	m.is("names that do not begin with ./", "cpio -it --quiet --absolute-filenames <"+archive+" | grep -v '^\\./' || true", "")
	m.is("unpacked", "mkdir /root/here; cd /root/here; cpio -id --quiet --absolute-filenames <"+archive+`
ls; usr/sbin/utmpd -version >/dev/null; ls /usr/sbin/utmpd /etc/default/utmpd 2>/dev/null || true`, "etc\nusr")
}

// TestRPMInstalled installs, upgrades and removes the rpm. The machine runs Debian, so the
// packages that it depends on have other names there.
func TestRPMInstalled(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("rm -f /var/log/wtmp; rpm -i --nodeps /packages/dist/*.x86_64.rpm")
	m.is("after the installation", "id -nG utmpd; getent passwd utmpd | cut -d: -f6,7; stat -c '%A %U:%G' /var/log/wtmp /usr/sbin/utmpd /usr/bin/utmpctl /etc/default/utmpd; stat -c '%N' /usr/libexec/utmpd/last; rpm -V --nodeps utmpd",
		"utmpd utmp\n/nonexistent:/sbin/nologin\n-rw-rw-r-- root:utmp\n-rwxr-xr-x root:root\n-rwxr-xr-x root:root\n-rw-r--r-- root:root\n'/usr/libexec/utmpd/last' -> '../../bin/utmpctl'")
	enabled := "cd /etc/systemd/system; ls -d */utmpd* | sort"
	m.is("what the presets enable", enabled,
		"multi-user.target.wants/utmpd.service\nsysinit.target.wants/utmpd-boot.service\nsysinit.target.wants/utmpd-shutdown.service")
	m.is("directories that nobody owns", `for d in /usr/libexec/utmpd /usr/share/doc/utmpd /usr/share/doc/utmpd/contrib/grafana; do rpm -qf --qf '%{NAME}\n' $d; done`, "utmpd\nutmpd\nutmpd")

	m.sh(`echo kept >>/var/log/wtmp
		echo GRACE_PERIOD=2 >>/etc/default/utmpd
		systemctl disable utmpd-shutdown.service 2>/dev/null
		rpm -U --nodeps /packages/newer/*.x86_64.rpm`)
	m.is("after the upgrade", "rpm -q --qf '%{VERSION}\n' utmpd; tail -1 /etc/default/utmpd; tail -1 /var/log/wtmp; rpm -V --nodeps utmpd || true; "+enabled,
		"99\nGRACE_PERIOD=2\nkept\nS.5....T.  c /etc/default/utmpd\nmulti-user.target.wants/utmpd.service\nsysinit.target.wants/utmpd-boot.service")
	m.sh("rpm -U --oldpackage --nodeps /packages/dist/*.x86_64.rpm")
	m.is("after the downgrade", "tail -1 /etc/default/utmpd; "+enabled,
		"GRACE_PERIOD=2\nmulti-user.target.wants/utmpd.service\nsysinit.target.wants/utmpd-boot.service")

	m.sh("rpm -e --nodeps utmpd")
	m.is("after the removal", "find / -xdev -name '*utmpd*' -not -path '/proc/*' -not -path '/packages/*' -not -path '/usr/local/*' -not -path '/var/lib/systemd/*' 2>/dev/null | sort; tail -1 /etc/default/utmpd.rpmsave; getent passwd utmpd | cut -d: -f1; tail -1 /var/log/wtmp",
		"/etc/default/utmpd.rpmsave\nGRACE_PERIOD=2\nutmpd\nkept")
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
