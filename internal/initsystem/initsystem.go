// SPDX-License-Identifier: BSD-2-Clause

// Package initsystem finds out which records of boots and shutdowns the system's
// init writes. It reads files and runs no program.
package initsystem

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Writes are the records that the system writes.
type Writes struct {
	Who      string // the program that writes them, or why none does; for people
	BootLog  bool   // the boot in the wtmpx log
	BootFile bool   // the boot in the utmpx file, which the system also creates
	Shutdown bool   // the shutdown in the wtmpx log
	RunLevel bool   // the run level in both
}

// maxProgram limits how much of a program is searched for a word, in bytes.
const maxProgram = 16 << 20

// Find inspects the system with this root directory. A file that cannot be read
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
		// Its halt records a shutdown, but before it stops anything.
		return Writes{Who: "busybox init"}
	case !bytes.Contains(program, []byte("/var/log/wtmp")):
		return Writes{Who: "no program known to write them"}
	case bytes.Contains(program, []byte("openrc")):
		// It records the boot at the end of the start, in the log only.
		return Writes{Who: "openrc-init and openrc-shutdown", BootLog: true, Shutdown: true}
	}
	return Writes{Who: "sysvinit", BootLog: true, BootFile: true, Shutdown: true, RunLevel: true}
}

type system struct{ root fs.FS }

func (s system) has(name string) bool {
	_, err := fs.Stat(s.root, name)
	return err == nil
}

// name returns the name of process 1.
func (s system) name() string {
	b, _ := s.read("proc/1/comm")
	return strings.TrimSpace(string(b))
}

// init returns the content of the program that process 1 runs. Only root may
// read /proc/1/exe; for others it is that of the program that the kernel starts.
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

// systemd writes the records with the program systemd-update-utmp. It can be
// built without it, as in Debian 13, and the program's units can be masked. Since
// systemd 258 the one for the run level does not exist.
func (s system) systemd() Writes {
	const unit, level = "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"
	masked := s.masked(unit)
	for _, dir := range []string{"usr/lib/systemd", "lib/systemd"} {
		if s.has(path.Join(dir, "systemd-update-utmp")) && !masked {
			return Writes{
				Who: "systemd-update-utmp", BootLog: true, BootFile: true, Shutdown: true,
				RunLevel: s.has(path.Join(dir, "system", level)) && !s.masked(level),
			}
		}
	}
	if masked {
		return Writes{Who: "systemd, whose " + unit + " is masked"}
	}
	return Writes{Who: "systemd without systemd-update-utmp"}
}

// masked reports whether an administrator has masked a unit.
func (s system) masked(unit string) bool {
	return slices.ContainsFunc([]string{"etc/systemd/system", "run/systemd/system"}, func(dir string) bool {
		to, err := fs.ReadLink(s.root, path.Join(dir, unit))
		return err == nil && to == "/dev/null"
	})
}

// runit writes no records itself. The scripts of its stages may call halt, as
// Void's do, and Debian's. The halt that comes with runit in Debian does not write.
func (s system) runit() Writes {
	w := Writes{Who: "runit's scripts"}
	if !s.haltWrites() {
		return w
	}
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

// haltWrites reports whether halt can write to the wtmpx log. One that cannot be read is
// believed.
func (s system) haltWrites() bool {
	for _, dir := range []string{"sbin", "usr/sbin", "usr/bin", "bin"} {
		if b, err := s.read(path.Join(dir, "halt")); err == nil {
			return bytes.Contains(b, []byte("/var/log/wtmp"))
		}
	}
	return true
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

// s6, as s6-linux-init sets it up, records a shutdown but no boot.
func (s system) s6() Writes {
	w := Writes{Who: "s6-linux-init"}
	for _, dir := range []string{"usr/bin", "bin", "usr/sbin", "sbin"} {
		w.Shutdown = w.Shutdown || s.has(path.Join(dir, "s6-linux-init-shutdownd"))
	}
	return w
}
