// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestVersionScript runs version.sh in a source of its own, outside git and then in
// each state of a git checkout.
func TestVersionScript(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(top, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(top, "packaging"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("packaging/version.sh", string(readFile(t, "../../packaging/version.sh")), 0o755)
	write("VERSION", "1.2.3\n", 0o644)
	if err := os.Chtimes(filepath.Join(top, "VERSION"), time.Time{}, time.Unix(1000, 0)); err != nil {
		t.Fatal(err)
	}
	sh := func(script string) string {
		t.Helper()
		out, err := output("env", "-u", "SOURCE_DATE_EPOCH", "GIT_CONFIG_GLOBAL=/dev/null", "sh", "-euc", "cd "+top+"\n"+script)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const all = "packaging/version.sh; packaging/version.sh package; packaging/version.sh epoch"
	const commit = `git add -A; GIT_COMMITTER_DATE='@2000 +0000' git -c user.name=a -c user.email=a@b commit -qm change`
	for _, step := range []struct{ name, script, want string }{
		{"no git", "", `1\.2\.3 1\.2\.3 1000`},
		{"a time that is given", "export SOURCE_DATE_EPOCH=500", `1\.2\.3 1\.2\.3 500`},
		{"in a repository without a commit", "git init -q .", `1\.2\.3 1\.2\.3 1000`},
		{"a commit", commit, `1\.2\.3\+g[0-9a-f]{12} 1\.2\.3 2000`},
		{"another tag", "git tag 1.2.3; git tag v1.2", `1\.2\.3\+g[0-9a-f]{12} 1\.2\.3 2000`},
		{"the release", "git tag v1.2.3", `1\.2\.3 1\.2\.3 2000`},
		{"with a file that git does not know", "echo >new", `1\.2\.3 1\.2\.3 2000`},
		{"the release, changed", "echo >>packaging/version.sh", `1\.2\.3\+g[0-9a-f]{12}\.dirty 1\.2\.3 2000`},
		{"after the release", commit, `1\.2\.3\+g[0-9a-f]{12} 1\.2\.3 2000`},
		{"unpacked in another repository", "mkdir sub; cp -a packaging VERSION sub; cd sub; touch -d @3000 VERSION", `1\.2\.3 1\.2\.3 3000`},
	} {
		if got := strings.ReplaceAll(sh(step.script+"\n"+all), "\n", " "); !regexp.MustCompile("^" + step.want + "$").MatchString(got) {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

// TestVersionAndLicence: the packages have the version of the file VERSION, and name
// the licence. The programs print what version.sh does.
func TestVersionAndLicence(t *testing.T) {
	version := strings.TrimSpace(string(readFile(t, "../../VERSION")))
	built, err := output("../../packaging/version.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, debian13)
	m.is("versions", "cd /packages/dist; dpkg-deb -f utmpd_*_amd64.deb Version; rpm -qp --qf '%{VERSION}-%{RELEASE} %{LICENSE}\\n' *.x86_64.rpm",
		version+"-1\n"+version+"-1 BSD-2-Clause")
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	m.is("the programs", "utmpd -version; utmpctl -version", "utmpd "+built+"\nutmpctl "+built)
	licence := regexp.MustCompile(`(?m)^`).ReplaceAllString(strings.TrimSpace(string(readFile(t, "../../LICENSE"))), "    ")
	licence = regexp.MustCompile(`(?m) +$`).ReplaceAllString(licence, "")
	for _, copyright := range []string{
		m.sh("cat /usr/share/doc/utmpd/copyright"),
		m.sh("cd /root; rpm2archive -n /packages/dist/*.x86_64.rpm >rpm.tar 2>/dev/null || rpm2archive -n - </packages/dist/*.x86_64.rpm >rpm.tar; tar -xOf rpm.tar ./usr/share/doc/utmpd/copyright"),
	} {
		if !strings.Contains(copyright, licence) {
			t.Errorf("the copyright file does not hold LICENSE:\n%.500s", copyright)
		}
	}
}
