// SPDX-License-Identifier: BSD-2-Clause

package initsystem

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func link(to string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
}

func TestFind(t *testing.T) {
	systemd := func(more fstest.MapFS) fstest.MapFS {
		more["run/systemd/system/x"] = file("")
		more["proc/1/comm"] = file("systemd\n")
		return more
	}
	all := func(who string) Writes { return Writes{who, true, true, true, true} }
	some := func(who string) Writes { return Writes{who, true, true, true, false} }
	const level = "systemd-update-utmp-runlevel.service"
	tests := []struct {
		name string
		root fstest.MapFS
		want Writes
	}{
		{"systemd of Debian 12", systemd(fstest.MapFS{"lib/systemd/systemd-update-utmp": file(""), "lib/systemd/system/" + level: file("")}), all("systemd-update-utmp")},
		{"systemd with /usr merged", systemd(fstest.MapFS{"usr/lib/systemd/systemd-update-utmp": file(""), "usr/lib/systemd/system/" + level: file("")}), all("systemd-update-utmp")},
		{"systemd 258", systemd(fstest.MapFS{"usr/lib/systemd/systemd-update-utmp": file("")}), some("systemd-update-utmp")},
		{"systemd, run level masked", systemd(fstest.MapFS{
			"lib/systemd/systemd-update-utmp": file(""), "lib/systemd/system/" + level: file(""), "etc/systemd/system/" + level: link("/dev/null"),
		}), some("systemd-update-utmp")},
		{"systemd of Debian 13", systemd(fstest.MapFS{}), Writes{Who: "systemd without systemd-update-utmp"}},
		{"systemd, masked", systemd(fstest.MapFS{
			"lib/systemd/systemd-update-utmp":                file(""),
			"etc/systemd/system/systemd-update-utmp.service": link("/dev/null"),
		}), Writes{Who: "systemd, whose systemd-update-utmp.service is masked"}},
		{"systemd installed, but another runs", fstest.MapFS{
			"lib/systemd/systemd-update-utmp": file(""), "proc/1/comm": file("init\n"),
			"proc/1/exe": file("\x7fELF /var/log/wtmp\x00 reboot"),
		}, all("sysvinit")},
		{"sysvinit, not root", fstest.MapFS{"proc/1/comm": file("init\n"), "sbin/init": file("/var/run/utmp\x00/var/log/wtmp\x00")}, all("sysvinit")},
		{"OpenRC on sysvinit", fstest.MapFS{"proc/1/comm": file("init\n"), "sbin/openrc": file(""), "sbin/init": file("/var/log/wtmp\x00")}, all("sysvinit")},
		{"openrc-init", fstest.MapFS{"proc/1/comm": file("init\n"), "sbin/init": file("openrc\x00/var/log/wtmp\x00")},
			Writes{"openrc-init and openrc-shutdown", true, false, true, false}},
		{"busybox", fstest.MapFS{"proc/1/comm": file("init\n"), "sbin/init": file("BusyBox v1.37\x00/var/log/wtmp\x00")}, Writes{Who: "busybox init"}},
		{"runit of Void", fstest.MapFS{"proc/1/comm": file("runit\n"),
			"etc/runit/core-services/05-misc.sh": file("install -m0664 -o root -g utmp /dev/null /run/utmp\nhalt -B  # for wtmp\n"),
			"etc/runit/3":                        file("sv exit /var/service/*\nhalt -w  # for utmp\n"),
			"usr/bin/halt":                       file("\x7fELF /var/log/wtmp\x00"),
		}, Writes{"runit's scripts", true, false, true, false}},
		{"runit of Debian", fstest.MapFS{"proc/1/comm": file("runit\n"), "etc/runit/1": file("# not halt -B\n"),
			"etc/init.d/umountnfs.sh": file("do_stop () {\n\thalt -w\n"),
			"sbin/halt":               file("\x7fELF WARNING: writing wtmp with -w is not supported for now\x00"),
		}, Writes{Who: "runit's scripts"}},
		{"runit, halt of sysvinit", fstest.MapFS{"proc/1/comm": file("runit\n"), "etc/init.d/umountnfs.sh": file("do_stop () {\n\thalt -w\n"),
			"sbin/halt": file("\x7fELF /var/log/wtmp\x00"),
		}, Writes{"runit's scripts", false, false, true, false}},
		{"s6-linux-init", fstest.MapFS{"proc/1/comm": file("s6-svscan\n"), "bin/s6-linux-init-shutdownd": file("")},
			Writes{"s6-linux-init", false, false, true, false}},
		{"s6 otherwise", fstest.MapFS{"proc/1/comm": file("s6-svscan\n")}, Writes{Who: "s6-linux-init"}},
		{"another init", fstest.MapFS{"proc/1/comm": file("init\n"), "sbin/init": file("x")}, Writes{Who: "no program known to write them"}},
		{"no files", fstest.MapFS{}, Writes{Who: "no program known to write them"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Find(tt.root)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
