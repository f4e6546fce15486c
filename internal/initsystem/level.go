// SPDX-License-Identifier: BSD-2-Clause

package initsystem

import (
	"io/fs"
	"path"
	"strings"
)

// RunLevel returns the run level, a digit, that systemd starts this boot for: that of its
// default target, unless the command line names another one. It is 0 under another init,
// and if the target is none of those that systemd itself takes for run levels.
//
// Source: kernel-command-line(7), systemd(1), and the table in systemd's update-utmp.c.
func RunLevel(root fs.FS) byte {
	s := system{root}
	if !s.has("run/systemd/system") {
		return 0
	}
	if target := s.ordered(); target != "" {
		return levels[s.resolve(target)]
	}
	return levels[s.resolve("default.target")]
}

// levels are the run levels of targets.
var levels = map[string]byte{
	"graphical.target": '5', "multi-user.target": '3', "rescue.target": '1',
	"runlevel5.target": '5', "runlevel4.target": '3', "runlevel3.target": '3', "runlevel2.target": '3', "runlevel1.target": '1',
}

// unitDirs are where units are looked for, the first first.
var unitDirs = []string{"etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// ordered returns the target that the command line of process 1 names, or that of the
// kernel: "" if none does. A container's kernel was started for another system.
func (s system) ordered() (target string) {
	own, _ := s.read("proc/1/cmdline")
	words := strings.Split(strings.TrimRight(string(own), "\x00"), "\x00")
	if !s.has("run/systemd/container") {
		kernel, _ := s.read("proc/cmdline")
		words = append(strings.Fields(string(kernel)), words...)
	}
	for i, word := range words {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case name == "systemd.unit", name == "--unit" && value != "":
			target = value
		case word == "--unit" && i+1 < len(words):
			target = words[i+1]
		case shorthands[word] != "":
			target = shorthands[word]
		}
	}
	return target
}

// shorthands are what an administrator types behind a boot loader's line.
var shorthands = map[string]string{
	"1": "rescue.target", "s": "rescue.target", "S": "rescue.target", "single": "rescue.target", "-s": "rescue.target", "rescue": "rescue.target",
	"2": "multi-user.target", "3": "multi-user.target", "4": "multi-user.target", "5": "graphical.target",
	"emergency": "emergency.target", "-b": "emergency.target",
}

// resolve follows the links of a target to its own name.
func (s system) resolve(target string) string {
	for range len(unitDirs) {
		if levels[target] != 0 {
			return target
		}
		next := ""
		for _, dir := range unitDirs {
			if to, err := fs.ReadLink(s.root, path.Join(dir, target)); err == nil {
				next = path.Base(to)
				break
			}
		}
		if next == "" {
			return target
		}
		target = next
	}
	return target
}
