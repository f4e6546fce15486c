// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// lodger is a session of the soak.
type lodger struct {
	line, id, user string
	pid            int
	slot           int
	login          time.Time
	end            func()      // kills its process
	killed         func() bool // whether it is dead

	// On a terminal only. The process is ut_pid, the shell leads the terminal.
	tm          *terminal
	server      *exec.Cmd
	shell       int
	serverEnded time.Time // utmpd may not notice that the shell has lived a little longer
}

// soakLines are fewer than the sessions that want them, so that most are reused soon.
const soakLines, soakTerminals = 60, 5

func (s *soak) name(user string) string { return user + fmt.Sprint(s.rand.IntN(2)) }

// login starts a session on any line that has none that lives.
func (s *soak) login() bool {
	line := fmt.Sprintf("s/%d", s.rand.IntN(soakLines))
	if s.lodgers[line] != nil {
		return false
	}
	s.enter(line, sleepingProcess(s))
	return true
}

func sleepingProcess(s *soak) *exec.Cmd {
	cmd := exec.Command("sleep", "infinity")
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	go cmd.Wait() // leave no zombie
	return cmd
}

// enter records a session of a process, through the C library or by a program that
// leaves bytes behind the strings and in the padding.
func (s *soak) enter(line string, cmd *exec.Cmd) {
	s.Helper()
	pid := cmd.Process.Pid
	l := &lodger{
		line: line, id: "s" + line[2:], user: s.name("alice"), pid: pid,
		end: func() { cmd.Process.Kill() }, killed: func() bool { return !alive(pid) },
	}
	if s.rand.IntN(3) == 0 {
		s.putRaw(l)
	} else {
		s.putByC(utmpx.UserProcess, l, l.user)
	}
	s.began(l)
}

// putByC records through the C library, again if that has given up a lock.
func (s *soak) putByC(typ utmpx.Type, l *lodger, user string) {
	s.Helper()
	out, err := exec.Command(s.put, fmt.Sprint(int(typ)), l.line, l.id, user, fmt.Sprint(l.pid)).CombinedOutput()
	if err != nil {
		s.Fatalf("put: %v %s", err, out)
	}
}

// putRaw records as a careless program does, under the locks of both files.
func (s *soak) putRaw(l *lodger) {
	s.Helper()
	b := encode(s.T, utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(l.pid), Line: l.line, ID: l.id, User: l.user, Host: "h", Time: utmpx.TimeOf(time.Now()),
	})
	garbage := func(from, to int) {
		for i := from; i < to; i++ {
			b[i] = byte(s.rand.Uint32())
		}
	}
	garbage(2, 4)     // padding
	garbage(30, 40)   // behind the line
	garbage(364, 384) // reserved
	locked(s, utmpFile, func(f *os.File, all []byte) {
		at := len(all) / len(b) * len(b)
		for i := 0; i+len(b) <= len(all); i += len(b) {
			r := utmpx.Native().Decode(string(all[i : i+len(b)]))
			if r.ID == l.id && (r.Type == utmpx.UserProcess || r.Type == utmpx.DeadProcess) {
				at = i
				break
			}
		}
		if _, err := f.WriteAt(b, int64(at)); err != nil {
			s.Fatal(err)
		}
	})
	locked(s, wtmpFile, func(f *os.File, all []byte) {
		if _, err := f.WriteAt(b, int64(len(all))); err != nil {
			s.Fatal(err)
		}
	})
}

// locked calls f with the file and its content, under a write lock.
func locked(s *soak, name string, f func(file *os.File, all []byte)) {
	s.Helper()
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLKW, &lock); err != nil {
		s.Fatal(err)
	}
	all, err := io.ReadAll(file)
	if err != nil {
		s.Fatal(err)
	}
	f(file, all)
}

// lockedByUtmpd reports whether one of the files has a lock of an open file description.
func (s *soak) lockedByUtmpd() bool {
	for _, name := range []string{utmpFile, wtmpFile} {
		f, err := os.Open(name)
		if err != nil {
			s.Fatal(err)
		}
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock)
		f.Close()
		if err != nil {
			s.Fatal(err)
		}
		if lock.Type != unix.F_UNLCK && lock.Pid == -1 {
			return true
		}
	}
	return false
}

// began finds the record of a new session, and expects it from now on.
func (s *soak) began(l *lodger) {
	s.Helper()
	size := utmpx.Native().Size()
	all := readFile(s.T, utmpFile)
	for i := 0; (i+1)*size <= len(all); i++ {
		raw := all[i*size : (i+1)*size]
		if r := utmpx.Native().Decode(string(raw)); r.Type == utmpx.UserProcess && r.Line == l.line && int(r.PID) == l.pid {
			l.slot, l.login = i, r.Time.Time()
			s.slots[i] = &slotted{want: bytes.Clone(raw), of: l}
			s.lodgers[l.line] = l
			return
		}
	}
	s.Fatalf("utmp has no record of %s, process %d", l.line, l.pid)
}

// any returns one of the living sessions.
func (s *soak) any(terminal bool) *lodger {
	var all []*lodger
	for i := range soakLines {
		if l := s.lodgers[fmt.Sprintf("s/%d", i)]; l != nil && !terminal {
			all = append(all, l)
		}
		if l := s.lodgers[fmt.Sprintf("pts/%d", i)]; l != nil && terminal {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[s.rand.IntN(len(all))]
}

func (s *soak) kill() bool {
	l := s.any(false)
	if l != nil {
		s.end(l)
	}
	return l != nil
}

// end kills a session whose record is left to utmpd.
func (s *soak) end(l *lodger) {
	s.Helper()
	died := death{from: time.Now()}
	l.end()
	waitFor(s.T, generous, "the death of "+l.line, l.killed)
	died.to = time.Now()
	if !l.serverEnded.IsZero() {
		died.from = l.serverEnded
	}
	s.slots[l.slot].died = &died
	s.deaths[saidOf(l.line, l.pid, l.login)] = died
	delete(s.lodgers, l.line)
	if l.tm != nil {
		l.tm.close()
	}
}

// logout is what a program does that keeps its records.
func (s *soak) logout() bool {
	l := s.any(false)
	if l == nil {
		return false
	}
	s.putByC(utmpx.DeadProcess, l, "")
	s.byOwner(l)
	l.end()
	waitFor(s.T, generous, "the death of "+l.line, l.killed)
	return true
}

// byOwner expects what the owner has made of the record.
func (s *soak) byOwner(l *lodger) {
	s.Helper()
	size := utmpx.Native().Size()
	raw := readFile(s.T, utmpFile)[l.slot*size:][:size]
	if r := utmpx.Native().Decode(string(raw)); r.Type != utmpx.DeadProcess || r.Line != l.line {
		s.Fatalf("its owner has logged %s out, and utmp holds %v", l.line, r)
	}
	s.slots[l.slot] = &slotted{want: bytes.Clone(raw)}
	delete(s.lodgers, l.line)
}

// known returns a session that utmpd surely knows: it would take another process with
// the pid for the session's if it had not seen the first one.
func (s *soak) known() *lodger {
	if s.state != daemonUp || time.Since(s.since) < 2*time.Second {
		return nil
	}
	table, _ := os.ReadFile("/run/utmpd/table")
	for i := range soakLines {
		l := s.lodgers[fmt.Sprintf("s/%d", i)]
		if l != nil && time.Since(l.login) > 4*time.Second && strings.Contains(string(table), fmt.Sprintf("\nproc %d ", l.pid)) {
			return l
		}
	}
	return nil
}

// reusePID kills a session that utmpd knows and has another process take its pid, at
// times for a new session on the same or another line.
func (s *soak) reusePID() bool {
	l := s.known()
	if l == nil || s.flood != nil {
		return false
	}
	s.end(l)
	last := readFile(s.T, "/proc/sys/kernel/ns_last_pid")
	other := reincarnate(s.T, l.pid)
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", bytes.TrimSpace(last), 0); err != nil {
		s.Fatal(err)
	}
	line := l.line
	switch s.rand.IntN(3) {
	case 0:
		line = fmt.Sprintf("s/%d", s.rand.IntN(soakLines))
		fallthrough
	case 1:
		if s.lodgers[line] == nil {
			s.enter(line, other)
			return true
		}
	}
	time.AfterFunc(3*time.Second, func() { other.Process.Kill() })
	return true
}

// loginOnTerminal starts a session with a shell that can outlive its ut_pid.
func (s *soak) loginOnTerminal() bool {
	n := 0
	for line := range s.lodgers {
		if strings.HasPrefix(line, "pts/") {
			n++
		}
	}
	if n == soakTerminals {
		return false
	}
	l := &lodger{tm: openTerminal(s.T), user: s.name("bob")}
	l.line = l.tm.line
	l.server = exec.Command("/run/session", l.line, l.user)
	if err := l.server.Start(); err != nil {
		s.Fatal(err)
	}
	go l.server.Wait()
	l.pid = l.server.Process.Pid
	waitFor(s.T, generous, "a shell on "+l.line, func() bool { l.shell = leaderOf(l.line); return l.shell != 0 })
	l.end = func() {
		l.server.Process.Kill() // first: it would log out
		waitFor(s.T, generous, "the death of ut_pid", func() bool { return !alive(l.pid) })
		unix.Kill(l.shell, unix.SIGKILL)
	}
	l.killed = func() bool { return !alive(l.pid) && !alive(l.shell) }
	s.began(l)
	return true
}

// endOnTerminal kills ut_pid alone, the shell alone, or both.
func (s *soak) endOnTerminal() bool {
	l := s.any(true)
	switch {
	case l == nil:
		return false
	case !l.serverEnded.IsZero() || s.rand.IntN(3) == 0:
		s.end(l)
	case s.rand.IntN(2) == 0:
		l.serverEnded = time.Now()
		l.server.Process.Kill()
		waitFor(s.T, generous, "the death of ut_pid", func() bool { return !alive(l.pid) })
	default: // its owner logs it out
		unix.Kill(l.shell, unix.SIGKILL)
		waitFor(s.T, generous, "the end of ut_pid", func() bool { return !alive(l.pid) })
		s.byOwner(l)
		l.tm.close()
	}
	return true
}

// foreigners puts records into utmp that are not utmpd's to change, and sessions that
// live all the time.
func (s *soak) foreigners() {
	s.Helper()
	size := utmpx.Native().Size()
	var all []byte
	for i, typ := range []utmpx.Type{utmpx.RunLevel, utmpx.InitProcess, utmpx.LoginProcess, utmpx.UserProcess, utmpx.UserProcess, 77} {
		cmd := sleeper(s.T, exec.Command("sleep", "infinity"))
		r := encode(s.T, utmpx.Record{Type: typ, PID: int32(cmd.Process.Pid), Line: fmt.Sprintf("f/%d", i), ID: fmt.Sprintf("f%d", i), User: "f", Time: utmpx.TimeOf(time.Now())})
		for j := 364; j < size; j++ {
			r[j] = byte(s.rand.Uint32())
		}
		if typ == 77 {
			for j := 2; j < size; j++ {
				r[j] = byte(s.rand.Uint32())
			}
			binary.NativeEndian.PutUint16(r, 77)
		}
		all = append(all, r...)
	}
	write(s.T, utmpFile, -1, all)
	for i, b := 0, readFile(s.T, utmpFile); (i+1)*size <= len(b); i++ {
		s.slots[i] = &slotted{want: bytes.Clone(b[i*size : (i+1)*size])}
	}
}
