// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// ownRoot runs its arguments in the root $1, with the machine's terminals and processes and
// whatever else they need. The mounts end with the program.
const ownRoot = `
root=$1 needs=$2; shift 2
for dir in /dev /proc; do mount --rbind $dir "$root$dir"; done
for dir in $needs; do mount --bind "$dir" "$root$dir"; done
exec chroot "$root" "$@"`

// inOwnRoot starts a command of testdata/libc.c on a terminal, in a root in which the
// system's files are those of dir.
func (m machine) inOwnRoot(t *testing.T, dir string, terminal *os.File, args ...string) *process {
	t.Helper()
	needs := ""
	for _, need := range append([]string{"/dev", "/proc"}, m.needs...) {
		if err := os.MkdirAll(filepath.Join(dir, need), 0o700); err != nil {
			t.Fatal(err)
		}
		if need != "/dev" && need != "/proc" {
			needs += " " + need
		}
	}
	command := []string{"unshare", "--mount", "--propagation", "private"}
	if os.Geteuid() != 0 {
		command = append(command, "--map-root-user")
	}
	command = append(command, "sh", "-euc", ownRoot, "sh", dir, needs)
	p, err := startCommand(append(append(append(command, m.run...), m.libc), args...), terminal)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.wait() })
	return p
}

// openTerminal returns a new terminal and its line.
func openTerminal(t *testing.T) (terminal *os.File, line string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	line = "pts/" + strconv.Itoa(int(n))
	terminal, err = os.OpenFile("/dev/"+line, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, line
}

// TestLoginLogout calls login, logout and logwtmp of the same libc repeatedly beside this
// code, on the files that libc takes for the system's.
func TestLoginLogout(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		const logins = 500
		dir := t.TempDir()
		g := &together{m: m, sessions: logins, cleaned: make(map[moment]bool)}
		for file, name := range map[string]*string{"run/utmp": &g.utmp, "log/wtmp": &g.wtmp} {
			*name = filepath.Join(dir, "var", file)
			if err := os.MkdirAll(filepath.Dir(*name), 0o700); err != nil {
				t.Fatal(err)
			}
			rewrite(t, *name, encode(t, m.layout, boot))
		}
		g.file, g.log = recfile.NewFile(g.utmp, m.options()), recfile.NewLog(g.wtmp, m.options())
		terminal, line := openTerminal(t)
		p := m.inOwnRoot(t, dir, terminal, "login", strconv.Itoa(logins))
		var all sync.WaitGroup
		all.Go(func() { g.write(t, 0) })
		_, err := io.ReadAll(p.out)
		if err := errors.Join(err, p.wait()); err != nil {
			t.Error(err)
		}
		all.Wait()
		if !t.Failed() {
			g.checkLogins(t, line, int32(p.Process.Pid))
			g.checkUtmp(t, line, int32(p.Process.Pid))
		}
	})
}

// checkLogins checks that the log holds the records of C and of this code, each in order.
func (g *together) checkLogins(t *testing.T, line string, pid int32) {
	var theirs, ours []utmpx.Record
	for e, err := range logs.New(g.wtmp, logs.Options{}).Forward(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Line == line:
			theirs = append(theirs, e.Record)
		case e.Type != utmpx.BootTime:
			ours = append(ours, e.Record)
		}
	}
	sameBytes(t, g.m.layout, "this code's in the log", rawOf(ours), encode(t, g.m.layout, g.life(0)...))
	if len(theirs) != 2*g.sessions {
		t.Fatalf("%d records of %s in the log, want %d", len(theirs), line, 2*g.sessions)
	}
	for i, r := range theirs {
		want := utmpx.Record{
			Type: utmpx.UserProcess, PID: pid, Line: line, ID: "t", User: "alice", Host: "host.example",
			Time: utmpx.Time{Sec: start + int64(i/2) + 1},
		}
		if i%2 == 1 { // by logwtmp
			want = utmpx.Record{Type: utmpx.DeadProcess, PID: pid, Line: line, Time: r.Time}
		}
		if !sameFields(r, want) {
			t.Fatalf("record %d of %s is %v, want %v", i, line, r, want)
		}
	}
	logins, err := openlogins.New(g.wtmp, g.m.options()).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last, open := logins.On(line); open {
		t.Errorf("the login of %v is still open", last)
	}
}

// checkUtmp checks that logout left the record that this code expects, and that this code
// writes the next login over it.
func (g *together) checkUtmp(t *testing.T, line string, pid int32) {
	s, err := g.file.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	slot := -1
	for i, r := range s.All() {
		want := utmpx.Record{Type: utmpx.DeadProcess, PID: pid, Line: line, ID: "t", Time: r.Time}
		if r.Line == line && slot < 0 && sameFields(r, want) {
			slot = i
		} else if r.Line == line {
			t.Errorf("slot %d holds %v, want %v, and that once", i, r, want)
		}
	}
	next := utmpx.Record{Type: utmpx.UserProcess, PID: 7, Line: line, ID: "t", User: "bob", Time: utmpx.Time{Sec: start}}
	if got, err := g.file.Put(t.Context(), next); got != slot || err != nil {
		t.Errorf("Put(%v) = %d, %v, want %d", next, got, err, slot)
	}
	found := g.m.lookUp(t, "getline", g.utmp, []utmpx.Record{{Line: line}})
	sameBytes(t, g.m.layout, fmt.Sprint("getutxline ", line), []byte(found[0]), encode(t, g.m.layout, next))
}
