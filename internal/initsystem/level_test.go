// SPDX-License-Identifier: BSD-2-Clause

package initsystem

import (
	"testing"
	"testing/fstest"
)

func TestRunLevel(t *testing.T) {
	type files = fstest.MapFS
	tests := []struct {
		name string
		more files
		want byte
	}{
		{"Debian's default", nil, '5'},
		{"chosen by the administrator", files{"etc/systemd/system/default.target": link("/usr/lib/systemd/system/multi-user.target")}, '3'},
		{"by a run level's name", files{"etc/systemd/system/default.target": link("/lib/systemd/system/runlevel4.target")}, '3'},
		{"by another name", files{
			"etc/systemd/system/default.target": link("our.target"), "etc/systemd/system/our.target": link("/lib/systemd/system/multi-user.target"),
		}, '3'},
		{"a target of their own", files{"etc/systemd/system/default.target": link("/etc/systemd/system/kiosk.target")}, 0},
		{"in a circle", files{"etc/systemd/system/default.target": link("default.target")}, 0},
		{"on the kernel's line", files{"proc/cmdline": file("root=/dev/vda1 quiet systemd.unit=rescue.target\n")}, '1'},
		{"by a word", files{"proc/cmdline": file("root=/dev/vda1 3 quiet\n")}, '3'},
		{"single", files{"proc/cmdline": file("root=/dev/vda1 single\n")}, '1'},
		{"emergency", files{"proc/cmdline": file("root=/dev/vda1 emergency\n")}, 0},
		{"the last one counts", files{"proc/cmdline": file("5 systemd.unit=multi-user.target\n")}, '3'},
		{"of the initrd alone", files{"proc/cmdline": file("rd.systemd.unit=emergency.target\n")}, '5'},
		{"in a container", files{
			"proc/cmdline": file("single\n"), "run/systemd/container": file("lxc"), "proc/1/cmdline": file("/sbin/init\x00"),
		}, '5'},
		{"in a container, by a word", files{"run/systemd/container": file("lxc"), "proc/1/cmdline": file("/sbin/init\x003\x00")}, '3'},
		{"an option", files{"proc/1/cmdline": file("/lib/systemd/systemd\x00--system\x00--unit=multi-user.target\x00")}, '3'},
		{"an option and its value", files{"proc/1/cmdline": file("/lib/systemd/systemd\x00--unit\x00rescue.target\x00")}, '1'},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := files{
				"run/systemd/system/x": file(""), "proc/1/cmdline": file("/sbin/init\x00"), "proc/cmdline": file("root=/dev/vda1 quiet\n"),
				"usr/lib/systemd/system/default.target": link("graphical.target"), "usr/lib/systemd/system/graphical.target": file(""),
			}
			for name, f := range tt.more {
				root[name] = f
			}
			if got := RunLevel(root); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := RunLevel(files{"etc/systemd/system/default.target": link("graphical.target")}); got != 0 {
		t.Errorf("without systemd: %q", got)
	}
}
