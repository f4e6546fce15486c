// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTarball checks that the tarball of a commit is reproducible, that it builds the
// programs and the packages with neither git nor a network, and that these are
// reproducible in another directory, at another time and with another umask.
func TestTarball(t *testing.T) {
	t.Parallel()
	var archives [2][]byte
	var packages [2]map[string][]byte
	for i := range archives {
		dist := t.TempDir()
		execute(t, "../..", []string{"DIST=" + dist}, "packaging/tarball.sh")
		name := one(t, filepath.Join(dist, "utmpd-*.tar.gz"))
		archives[i] = readFile(t, name)

		if want := "utmpd-" + strings.TrimSpace(string(readFile(t, "../../VERSION"))) + ".tar.gz"; filepath.Base(name) != want {
			t.Errorf("the tarball is called %s, want %s", filepath.Base(name), want)
		}
		dir := t.TempDir()
		execute(t, dir, nil, "tar", "-xf", name)
		source := one(t, filepath.Join(dir, "utmpd-*"))
		offline := []string{"GOPROXY=off", "GOFLAGS=-mod=vendor", "GIT_DIR=/nonexistent", "NFPM=" + host.nfpm, "DIST=" + dist}
		execute(t, source, offline, "make", "-s", "build")
		if got, want := execute(t, source, nil, "bin/utmpd", "-version"), "utmpd "+string(readFile(t, "../../VERSION")); got != want {
			t.Errorf("a program of the tarball prints %q, want %q", got, want)
		}
		umask := []string{"umask 022", "umask 077"}[i]
		execute(t, source, offline, "sh", "-c", umask+" && packaging/build.sh deb:amd64 rpm:amd64")
		packages[i] = map[string][]byte{}
		for _, pattern := range []string{"*.deb", "*.rpm"} {
			name := one(t, filepath.Join(dist, pattern))
			packages[i][filepath.Base(name)] = readFile(t, name)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the tarball has other bytes the second time")
	}
	if len(packages[0]) != 2 {
		t.Fatalf("%d packages, want 2", len(packages[0]))
	}
	for name, first := range packages[0] {
		if second, ok := packages[1][name]; !ok || !bytes.Equal(first, second) {
			t.Errorf("%s has other bytes the second time", name)
		}
	}
}

// TestAgain checks the same for the packages of the working tree, also for another
// architecture.
func TestAgain(t *testing.T) {
	t.Parallel()
	dist := t.TempDir()
	if out, err := build("../..", dist, nil, "deb:arm64", "rpm:arm64"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, pattern := range []string{"*_arm64.deb", "*.aarch64.rpm"} {
		name := one(t, filepath.Join(host.dist, pattern))
		if !bytes.Equal(readFile(t, name), readFile(t, filepath.Join(dist, filepath.Base(name)))) {
			t.Errorf("%s has other bytes the second time", filepath.Base(name))
		}
	}
}

// TestMakeInstall installs below a directory for each service manager, and uninstalls
// everything again.
func TestMakeInstall(t *testing.T) {
	t.Parallel()
	execute(t, "../..", []string{"BIN=" + filepath.Join(host.dir, "bin")}, "make", "-s", "build")
	for init, want := range map[string][]string{
		"":        nil,
		"systemd": {"etc/systemd/system/utmpd-boot.service", "etc/systemd/system/utmpd-shutdown.service", "etc/systemd/system/utmpd.service", "etc/sysusers.d/utmpd.conf", "usr/lib/systemd/catalog/utmpd.catalog"},
		"openrc":  {"etc/init.d/utmpd", "etc/init.d/utmpd-boot"},
		"sysv":    {"etc/init.d/utmpd", "etc/init.d/utmpd-boot"},
		"runit":   {"etc/runit/core-services/04-utmpd.sh", "etc/runit/shutdown.d/45-utmpd.sh", "etc/sv/utmpd/finish", "etc/sv/utmpd/log/run", "etc/sv/utmpd/run"},
		"smf":     {"lib/svc/manifest/site/utmpd.xml", "lib/svc/method/site-utmpd"},
		"s6": {"etc/s6-rc/source/utmpd-boot/down", "etc/s6-rc/source/utmpd-boot/flag-essential", "etc/s6-rc/source/utmpd-boot/type", "etc/s6-rc/source/utmpd-boot/up",
			"etc/s6-rc/source/utmpd-log/consumer-for", "etc/s6-rc/source/utmpd-log/notification-fd", "etc/s6-rc/source/utmpd-log/pipeline-name",
			"etc/s6-rc/source/utmpd-log/run", "etc/s6-rc/source/utmpd-log/type", "etc/s6-rc/source/utmpd/dependencies.d/utmpd-boot",
			"etc/s6-rc/source/utmpd/finish", "etc/s6-rc/source/utmpd/producer-for", "etc/s6-rc/source/utmpd/run", "etc/s6-rc/source/utmpd/type"},
	} {
		t.Run("INIT="+init, func(t *testing.T) {
			root := t.TempDir()
			env := []string{"DESTDIR=" + root, "INIT=" + init, "BIN=" + filepath.Join(host.dir, "bin")}
			execute(t, "../..", env, "make", "-s", "install")
			common := []string{"etc/default/utmpd", "usr/local/libexec/utmpd/last", "usr/local/libexec/utmpd/lastb", "usr/local/libexec/utmpd/utmpdump",
				"usr/local/share/man/man1/utmpd-last.1", "usr/local/share/man/man1/utmpd-utmpdump.1", "usr/local/bin/utmpctl", "usr/local/sbin/utmpd",
				"usr/local/share/bash-completion/completions/utmpctl", "usr/local/share/fish/vendor_completions.d/utmpctl.fish",
				"usr/local/share/man/man5/utmpd-files.5", "usr/local/share/man/man8/utmpctl.8", "usr/local/share/man/man8/utmpd.8", "usr/local/share/zsh/site-functions/_utmpctl"}
			for _, command := range strings.Fields("boot check downtime dump events last login repair report who") {
				common = append(common, "usr/local/share/man/man8/utmpctl-"+command+".8")
			}
			got := files(t, root)
			if diff := cmp.Diff(sorted(append(common, want...)), got); diff != "" {
				t.Errorf("installed (-want +got):\n%s", diff)
			}
			// STATE_DIR is whose utmpd runs as, which its first start or systemd knows: one of
			// root's would keep it from starting with RUN_AS.
			if _, err := os.Stat(filepath.Join(root, "var")); err == nil {
				t.Error("there is a directory below /var")
			}
			for _, name := range got {
				if b := readFile(t, filepath.Join(root, name)); bytes.Contains(b, []byte("/usr/sbin/utmpd")) || bytes.Contains(b, []byte("/usr/bin/utmpctl")) {
					t.Errorf("%s names programs that are not there", name)
				}
			}
			execute(t, "../..", env, "make", "-s", "uninstall")
			if diff := cmp.Diff([]string{"etc/default/utmpd"}, files(t, root)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

func execute(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q in %s: %v\n%s", name, args, dir, err, out)
	}
	return string(out)
}

// files returns the files below a directory, sorted.
func files(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name[len(root)+1:])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sorted(names)
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
