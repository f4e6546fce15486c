// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"maps"
	"os"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/config"
)

// TestUnitFaults: RUN_DIR and STATE_DIR are moved elsewhere, and the unit, our own, does or
// does not know.
func TestUnitFaults(t *testing.T) {
	shipped, err := os.ReadFile("../../init/systemd/utmpd.service")
	if err != nil {
		t.Fatal(err)
	}
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	moved := config.Fixed{RunDir: "/no/run/utmpd", StateDir: "/no/state", PipeFile: "/no/run/utmpd/pipe", UtmpxFile: "/run/utmp", WtmpxFile: "/var/log/wtmp"}
	plain := moved
	plain.RunDir, plain.StateDir, plain.PipeFile = "/run/utmpd", "/var/lib/utmpd", "/run/utmpd/pipe"
	const etc, lib = "etc/systemd/system/", "usr/lib/systemd/system/"
	both := []string{"RUN_DIR", "STATE_DIR"}
	for _, c := range []struct {
		name string
		more fstest.MapFS
		cfg  config.Fixed
		want []string
	}{
		{"as shipped", nil, plain, nil},
		{"moved", nil, moved, both},
		{"one allowed", fstest.MapFS{etc + "utmpd.service.d/a.conf": file("[Service]\nReadWritePaths=-/no/state\n")}, moved, []string{"RUN_DIR"}},
		{"both allowed", fstest.MapFS{etc + "utmpd.service.d/a.conf": file("[Service]\nReadWritePaths = /no/state  /no/run/\n")}, moved, nil},
		{"a name that begins alike", fstest.MapFS{etc + "utmpd.service.d/a.conf": file("[Service]\nReadWritePaths=/no/sta /no/run\n")}, moved, []string{"STATE_DIR"}},
		{"a drop-in that another hides", fstest.MapFS{
			lib + "utmpd.service.d/a.conf": file("[Service]\nReadWritePaths=/no\n"),
			etc + "utmpd.service.d/a.conf": file("[Service]\n"),
		}, moved, both},
		{"a drop-in that begins anew", fstest.MapFS{
			etc + "utmpd.service.d/a.conf": file("[Service]\nReadWritePaths=/no\n"),
			etc + "utmpd.service.d/b.conf": file("[Service]\nReadWritePaths=\nReadWritePaths=/run /var/log\n"),
		}, moved, both},
		{"not strict", fstest.MapFS{etc + "utmpd.service.d/a.conf": file("[Service]\nProtectSystem=full\n")}, moved, nil},
		{"a unit of the administrator", fstest.MapFS{etc + "utmpd.service": file("[Service]\nExecStart=/usr/sbin/utmpd -foreground\n")}, moved, nil},
	} {
		root := fstest.MapFS{"run/systemd/system/x": file(""), lib + "utmpd.service": file(string(shipped))}
		maps.Copy(root, c.more)
		u := readUnit(root)
		if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(u.faults(c.cfg)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		delete(root, "run/systemd/system/x")
		if u := readUnit(root); len(u.faults(c.cfg)) > 0 {
			t.Errorf("%s, without systemd: %v", c.name, u.faults(c.cfg))
		}
	}
	want := `STATE_DIR: utmpd.service may not write to /no/state; with "systemctl edit" add to it, utmpd-boot and utmpd-shutdown, under [Service]: ReadWritePaths=/no/state`
	u := readUnit(fstest.MapFS{"run/systemd/system/x": file(""), lib + "utmpd.service": file(string(shipped))})
	if err := u.faults(moved)["STATE_DIR"]; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
