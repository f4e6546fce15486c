// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"utmpd.dev/utmpd/internal/config"
)

// unit is what the files of utmpd.service say of where it may write. systemd makes all else
// read-only for it.
type unit struct {
	strict bool     // ProtectSystem=strict
	paths  []string // ReadWritePaths=
	own    []string // the directories that systemd makes for it
}

// unitDirs are where systemd looks for units, the first first.
var unitDirs = []string{"etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// readUnit reads the unit and its drop-ins below a root directory. Without a unit or a
// systemd that runs, nothing is restricted.
//
// Source: systemd.unit(5), systemd.exec(5).
func readUnit(root fs.FS) unit {
	var u unit
	if _, err := fs.Stat(root, "run/systemd/system"); err != nil {
		return u
	}
	for _, dir := range unitDirs {
		if text, err := fs.ReadFile(root, path.Join(dir, "utmpd.service")); err == nil {
			u.read(string(text))
			break
		}
	}
	dropIns := map[string]string{} // by name: one in /etc hides that of the same name elsewhere
	for _, dir := range slices.Backward(unitDirs) {
		names, _ := fs.Glob(root, path.Join(dir, "utmpd.service.d/*.conf"))
		for _, name := range names {
			dropIns[path.Base(name)] = name
		}
	}
	for _, base := range slices.Sorted(maps.Keys(dropIns)) {
		if text, err := fs.ReadFile(root, dropIns[base]); err == nil {
			u.read(string(text))
		}
	}
	return u
}

// read adds what a file of the unit says.
func (u *unit) read(text string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.TrimSpace(value)
		switch key = strings.TrimSpace(key); key {
		case "ProtectSystem":
			u.strict = value == "strict"
		case "ReadWritePaths":
			if value == "" {
				u.paths = nil
			}
			for dir := range strings.FieldsSeq(value) {
				u.paths = append(u.paths, path.Clean(strings.TrimLeft(strings.Trim(dir, `"`), "-+")))
			}
		case "RuntimeDirectory", "StateDirectory", "LogsDirectory":
			for dir := range strings.FieldsSeq(value) {
				u.own = append(u.own, path.Join(ownDirs[key], dir))
			}
		}
	}
}

var ownDirs = map[string]string{"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "LogsDirectory": "/var/log"}

// writes reports whether the unit lets utmpd write to a directory.
func (u *unit) writes(dir string) bool {
	return !u.strict || slices.ContainsFunc(slices.Concat(u.paths, u.own), func(d string) bool {
		return dir == d || strings.HasPrefix(dir, strings.TrimSuffix(d, "/")+"/")
	})
}

// faults returns, by their key, the directories that utmpd could not write to.
func (u *unit) faults(cfg config.Fixed) map[string]error {
	faults := map[string]error{}
	for key, dir := range map[string]string{
		"RUN_DIR": cfg.RunDir, "STATE_DIR": cfg.StateDir, "PIPE_FILE": filepath.Dir(cfg.PipeFile),
		"UTMPX_FILE": filepath.Dir(cfg.UtmpxFile), "WTMPX_FILE": filepath.Dir(cfg.WtmpxFile),
	} {
		if key == "PIPE_FILE" && dir == cfg.RunDir { // as by default
			continue
		}
		if dir = real(dir); !u.writes(dir) {
			faults[key] = fmt.Errorf("%s: utmpd.service may not write to %s; %s", key, dir, toAllow(dir))
		}
	}
	return faults
}

// toAllow says how to let the units write to a directory.
func toAllow(dir string) string {
	return `with "systemctl edit" add to it, utmpd-boot and utmpd-shutdown, under [Service]: ReadWritePaths=` + dir
}

// logReadOnly logs which of utmpd's directories the unit makes read-only, if systemd has
// started it.
func (d *daemon) logReadOnly() {
	if os.Getenv("INVOCATION_ID") == "" {
		return
	}
	for _, own := range []struct{ key, dir string }{{"RUN_DIR", d.cfg.RunDir}, {"STATE_DIR", d.cfg.StateDir}} {
		dir := real(own.dir)
		if errors.Is(writable(existing(dir)), syscall.EROFS) {
			d.log.Warn("the unit does not let utmpd write to "+own.key, "directory", dir, "to do", toAllow(dir))
		}
	}
}

// existing returns dir or the nearest directory above it that exists.
func existing(dir string) string {
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// real resolves the links of a directory, which may not exist yet.
func real(dir string) string {
	up := existing(dir)
	to, err := filepath.EvalSymlinks(up)
	if err != nil {
		return dir
	}
	return filepath.Join(to, strings.TrimPrefix(dir, up))
}
