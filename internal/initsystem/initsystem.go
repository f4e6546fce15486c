// SPDX-License-Identifier: BSD-2-Clause

// Package initsystem finds out which records of boots and shutdowns the system
// writes by itself. It looks at files and starts nothing.
package initsystem

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Writes are the records that the system writes.
type Writes struct {
	Who      string // what writes them, for people
	BootLog  bool   // that of a boot, into the wtmpx log
	BootFile bool   // that of a boot, into the utmpx file, which the system also makes
	Shutdown bool   // that of a shutdown, into the log
}

// maxProgram bounds what is read of a program in search of a word.
const maxProgram = 16 << 20

// Find looks at a system, root being its root directory. What it cannot read
// counts as missing.
func Find(root fs.FS) Writes {
	s := system{root}
	switch {
	case s.has("run/systemd/system"):
		return s.systemd()
	case s.name() == "runit":
		return s.runit()
	case s.name() == "s6-svscan":
		return s.s6()
	}
	program := s.init()
	switch {
	case bytes.Contains(program, []byte("BusyBox v")):
		return Writes{Who: "busybox init"} // its halt does, before anything is stopped
	case !bytes.Contains(program, []byte("/var/log/wtmp")):
		return Writes{Who: "no program known to write them"}
	case bytes.Contains(program, []byte("openrc")):
		// At the end of the start, and into the log alone.
		return Writes{Who: "openrc-init and openrc-shutdown", BootLog: true, Shutdown: true}
	}
	return Writes{Who: "sysvinit", BootLog: true, BootFile: true, Shutdown: true}
}

type system struct{ root fs.FS }

func (s system) has(name string) bool {
	_, err := fs.Stat(s.root, name)
	return err == nil
}

// name is that of process 1.
func (s system) name() string {
	b, _ := s.read("proc/1/comm")
	return strings.TrimSpace(string(b))
}

// init returns the program that process 1 runs. Only root may look at it there;
// for others it is the one that the kernel starts.
func (s system) init() []byte {
	for _, name := range []string{"proc/1/exe", "sbin/init", "usr/sbin/init"} {
		if b, err := s.read(name); err == nil && len(b) > 0 {
			return b
		}
	}
	return nil
}

func (s system) read(name string) ([]byte, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxProgram))
}

// systemd writes them by a program that it may be built without, as in Debian 13,
// in a unit that may be masked.
func (s system) systemd() Writes {
	const unit = "systemd-update-utmp.service"
	masked := false
	for _, dir := range []string{"etc/systemd/system", "run/systemd/system"} {
		to, err := fs.ReadLink(s.root, path.Join(dir, unit))
		masked = masked || err == nil && to == "/dev/null"
	}
	for _, dir := range []string{"usr/lib/systemd", "lib/systemd"} {
		if s.has(path.Join(dir, "systemd-update-utmp")) && !masked {
			return Writes{Who: "systemd-update-utmp", BootLog: true, BootFile: true, Shutdown: true}
		}
	}
	if masked {
		return Writes{Who: "systemd, whose " + unit + " is masked"}
	}
	return Writes{Who: "systemd, which has no systemd-update-utmp here"}
}

// runit leaves it to the scripts of its stages, of which Void's call halt.
func (s system) runit() Writes {
	w := Writes{Who: "the scripts of runit"}
	files := []string{"etc/runit/1", "etc/runit/3", "etc/init.d/umountnfs.sh"}
	for _, dir := range []string{"etc/runit/core-services", "etc/runit/shutdown.d"} {
		more, _ := fs.Glob(s.root, dir+"/*")
		files = append(files, more...)
	}
	for _, name := range files {
		text, _ := s.read(name)
		w.BootLog = w.BootLog || calls(text, "halt", "-B")
		w.Shutdown = w.Shutdown || calls(text, "halt", "-w")
	}
	return w
}

// calls reports whether a line of a script begins with a command and an option.
func calls(script []byte, command, option string) bool {
	for line := range strings.Lines(string(script)) {
		if f := strings.Fields(line); len(f) > 1 && path.Base(f[0]) == command && f[1] == option {
			return true
		}
	}
	return false
}

// s6 as s6-linux-init sets it up records a shutdown and no boot.
func (s system) s6() Writes {
	w := Writes{Who: "s6-linux-init"}
	for _, dir := range []string{"usr/bin", "bin", "usr/sbin", "sbin"} {
		w.Shutdown = w.Shutdown || s.has(path.Join(dir, "s6-linux-init-shutdownd"))
	}
	return w
}
