// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSourcePackages builds packages from the release tarball as distributors do, without
// a network: the deb by dpkg-buildpackage, which lintian and autopkgtest judge, and the rpm
// by rpmbuild.
func TestSourcePackages(t *testing.T) {
	m := newMachine(t, source13)
	dir, err := os.MkdirTemp(host.dir, "source-")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, "../..", []string{"DIST=" + dir}, "packaging/tarball.sh")
	in := "cd /packages/" + filepath.Base(dir) + "; export PATH=$PATH:/usr/lib/go-1.26/bin HOME=/root LC_ALL=C.UTF-8; "
	version := strings.TrimSpace(string(readFile(t, "../../VERSION")))
	// By an ordinary user, whose unit tests must pass there.
	m.sh("useradd -m builder && chmod a+x /packages && chown -R builder /packages/" + filepath.Base(dir))
	m.sh(`su builder -c '` + strings.Replace(in, "HOME=/root", "HOME=/home/builder", 1) + `set -e
		tar xf utmpd-*.tar.gz
		cp utmpd-` + version + `.tar.gz utmpd_` + version + `.orig.tar.gz
		cd utmpd-` + version + `
		cp -r packaging/debian debian
		dpkg-buildpackage -us -uc >../log 2>&1 || { grep -A20 -e "^--- FAIL" -e "^FAIL" -e "^dpkg-buildpackage: error" ../log; exit 1; }
		test $(grep -c "^ok" ../log) -gt 40'`)
	m.is("lintian", in+"lintian -i --allow-root --no-cfg *.changes 2>&1 || true", "")
	m.is("the symbols", in+`dpkg-deb -x utmpd-dbgsym_*.deb symbols
for f in symbols/usr/lib/debug/.build-id/*/*.debug; do readelf -S $f | grep -c -w '[.]debug_info' || true; done`, "1\n1")
	m.is("the same files as in the other deb, but for its changelog", in+`
for d in *_amd64.deb /packages/dist/utmpd_*_amd64.deb; do case $d in utmpd-dbgsym*) ;; *) dpkg-deb -c $d | awk '{ print $1, $2, $6, $7, $8 }' | sed 's/^l[^ ]*/link/' | sort >list.$(echo $d | tr -d /) ;; esac; done
diff list.* || true`, "")
	out, status := m.try(in + "autopkgtest --ignore-restrictions=isolation-container utmpd_*_amd64.deb utmpd-" + version + "/ -- null 2>&1")
	if status != 0 || !regexp.MustCompile(`(?m)^killed-session +PASS$`).MatchString(out) {
		t.Errorf("autopkgtest: status %d\n%s", status, out)
	}
	m.sh(in + `rpmbuild -tb --quiet --nodeps --define "_topdir $PWD/rpm" utmpd-*.tar.gz 2>&1`)
	m.is("the same files as in the other rpm", in+`for r in rpm/RPMS/x86_64/*.rpm /packages/dist/*.x86_64.rpm; do
rpm -qp --qf '[%{FILENAMES} %{FILEMODES} %{FILEFLAGS} %{FILEUSERNAME}\n]' $r >files.$(echo $r | tr -d /); rpm -qp --scripts --requires --changelog $r >>files.$(echo $r | tr -d /); done
diff files.* || true`, "")
}

// TestChangelogs: the packages' changelogs begin with the version of the file VERSION, and
// CHANGELOG.md has a section for it.
func TestChangelogs(t *testing.T) {
	t.Parallel()
	version := regexp.QuoteMeta(strings.TrimSpace(string(readFile(t, "../../VERSION"))))
	for name, want := range map[string]string{
		"CHANGELOG.md":               `(?m)^## ` + version + `\b`,
		"packaging/debian/changelog": `\Autmpd \(` + version + `-1\) `,
		"packaging/utmpd.spec":       `(?m)^%changelog\n\* .* - ` + version + `-1$`,
	} {
		if !regexp.MustCompile(want).Match(readFile(t, "../../"+name)) {
			t.Errorf("%s: no %s", name, want)
		}
	}
	if want := "utmpd_version " + version + "}"; !regexp.MustCompile(want).Match(readFile(t, "../../packaging/utmpd.spec")) {
		t.Errorf("packaging/utmpd.spec: no %s", want)
	}
}
