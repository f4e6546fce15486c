// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// linePrefix is the prefix of every session's line. No terminal has such a name.
const linePrefix = "faults"

// fate is how a session ends.
type fate int

const (
	lives       fate = iota
	killed           // nobody cleans
	ownerDone        // its owner cleans both files, and ends
	ownerHalf        // its owner writes the logout, and is killed
	deadAlready      // killed before utmpd starts
)

// fates are the fates of a world's sessions, in their order.
var fates = []fate{
	killed, killed, lives, ownerDone, killed, killed, ownerHalf, deadAlready, killed, killed, lives,
	killed, ownerDone, killed, deadAlready, killed, ownerHalf, killed, killed, lives, killed, killed,
}

// session is a record in a world's files, and its process.
type session struct {
	slot       int
	fate       fate
	login      utmpx.Record // as decoded from the file
	process    *os.Process
	from, to   time.Time // it died between these
	ownerUtmpx string    // the record and the logout written by its owner
	ownerLog   string
	gone       bool
}

// world is a utmpx file, a log, and living processes.
type world struct {
	dir      string
	file     *recfile.File
	log      *recfile.Log
	sessions []*session
	utmpx    string // the initial file
	wtmpx    string
	notify   *net.UnixConn
}

const torn = "not a whole record\xff\x00\n" // at the end of the utmpx file

func newWorld() (*world, error) {
	dir, err := os.MkdirTemp(host.dir, "w")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir}
	w.file = recfile.NewFile(w.in("utmp"), recfile.Options{})
	w.log = recfile.NewLog(w.in("wtmp"), recfile.Options{})
	if err := w.fill(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) in(name string) string { return filepath.Join(w.dir, name) }

// close kills the remaining processes and removes the files.
func (w *world) close() {
	for _, s := range w.sessions {
		s.kill()
		s.reap()
	}
	if w.notify != nil {
		w.notify.Close()
	}
	os.RemoveAll(w.dir)
}

// conf uses short periods, so that every kind of call happens in the work phase: the
// table is saved and the heartbeat runs once a second.
const conf = `UTMPX_FILE=%[1]s/utmp
WTMPX_FILE=%[1]s/wtmp
RUN_DIR=%[1]s/run
STATE_DIR=%[1]s/state
WTMPX_UPDATE_FREQ=1
GRACE_PERIOD=0.3
`

func (w *world) fill() error {
	l, now := utmpx.Native(), time.Now()
	boot := utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1", Time: utmpx.TimeOf(now.Add(-time.Hour))}
	odd := utmpx.Record{Type: utmpx.DeadProcess, PID: 1, Line: "tty1", ID: "1", Session: 7, Time: utmpx.TimeOf(now.Add(-time.Minute))}
	getty := utmpx.Record{Type: utmpx.LoginProcess, PID: int32(os.Getpid()), Line: "tty2", ID: "2", User: "LOGIN", Time: boot.Time}
	var file, log []byte
	add := func(to *[]byte, r utmpx.Record) {
		b, err := l.Encode(r)
		if err != nil {
			panic(err) // the test's own records are valid
		}
		*to = append(*to, b...)
	}
	for _, r := range []utmpx.Record{boot, odd, getty} {
		add(&file, r)
	}
	copy(file[l.Size()+300:], "bytes behind the host's NUL") // in the record odd
	add(&log, boot)
	for i, f := range fates {
		r := utmpx.Record{
			Type: utmpx.UserProcess, Line: fmt.Sprintf("%s/%d", linePrefix, i), ID: fmt.Sprintf("f%d", i),
			User: fmt.Sprintf("user%d", i), Host: "desk.example", Session: int64(i), Time: utmpx.TimeOf(now),
			Addr: [16]byte{192, 0, 2, byte(i)},
		}
		s := &session{slot: len(file) / l.Size(), fate: f}
		var err error
		if s.process, err = spawn("/bin/sleep", []string{"sleep", "300"}, nil, nil); err != nil {
			return err
		}
		w.sessions = append(w.sessions, s)
		r.PID = int32(s.process.Pid)
		if i == 5 { // one process owns two records
			s.process.Kill()
			s.process, r.PID = w.sessions[4].process, w.sessions[4].login.PID
		}
		add(&file, r)
		if i%4 == 0 { // an older session on the line, properly ended
			old := r
			old.Time.Sec -= 600
			add(&log, old)
			old.Type, old.User, old.Host = utmpx.DeadProcess, "", ""
			add(&log, old)
		}
		add(&log, r)
		s.login = l.Decode(string(file[s.slot*l.Size() : (s.slot+1)*l.Size()]))
	}
	w.utmpx, w.wtmpx = string(file)+torn, string(log)
	for name, content := range map[string]string{"utmp": w.utmpx, "wtmp": w.wtmpx, "conf": fmt.Sprintf(conf, w.dir)} {
		if err := os.WriteFile(w.in(name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, s := range w.sessions {
		if s.fate == deadAlready {
			s.kill()
			if s.slot%2 == 0 {
				s.reap()
			}
		}
	}
	var err error
	w.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.in("notify"), Net: "unixgram"})
	return err
}

// kill ends the session's process and leaves a zombie.
func (s *session) kill() {
	if s.gone {
		return
	}
	s.gone, s.from = true, time.Now()
	_ = s.process.Kill()
	for !ended(s.process.Pid) {
		time.Sleep(time.Millisecond)
	}
	s.to = time.Now()
}

func (s *session) reap() { _, _ = s.process.Wait() }

// die runs all events of the sessions.
func (w *world) die(tr *tracer) error {
	for _, s := range w.sessions {
		if s.gone || s.fate != ownerDone && s.fate != ownerHalf {
			continue
		}
		if err := w.ownerCleans(s); err != nil {
			return err
		}
	}
	if err := errors.Join(holdLock(w.in("utmp"), 400*time.Millisecond), holdLock(w.in("wtmp"), 500*time.Millisecond)); err != nil {
		return err
	}
	tr.arm()
	w.killAll()
	// Half of them stay zombies. The others are reaped after utmpd has seen their
	// end, so that it makes the same calls each time.
	time.Sleep(100 * time.Millisecond)
	for _, s := range w.sessions {
		if s.gone && s.slot%2 == 0 {
			s.reap()
		}
	}
	return nil
}

// killAll kills all sessions that are to die, and waits until they have ended.
func (w *world) killAll() {
	from := time.Now()
	for _, s := range w.sessions {
		if s.fate != lives {
			_ = s.process.Kill() // all at once; kill waits for each
		}
	}
	for _, s := range w.sessions {
		if s.fate != lives && !s.gone {
			s.kill()
			s.from = from
		}
	}
}

// holdLock is a neighbour that locks a file for longer than the grace period, so that
// utmpd must wait.
func holdLock(name string, d time.Duration) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		return errors.Join(err, f.Close())
	}
	time.AfterFunc(d, func() { f.Close() })
	return nil
}

// ownerCleans does what the owner of a session does at its end, or half of that.
func (w *world) ownerCleans(s *session) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dead := s.login
	dead.Type, dead.User, dead.Host, dead.Time = utmpx.DeadProcess, "", "", utmpx.TimeOf(time.Now())
	b, err := s.login.Layout().Encode(dead)
	if err != nil {
		return err
	}
	if s.fate == ownerDone {
		ok, err := w.file.Swap(ctx, snapshot.Generation{}, []recfile.Swap{{Slot: s.slot, Old: s.login, New: dead}})
		if err != nil || !ok[0] {
			return errors.Join(err, errors.New("the owner could not write its record: somebody changed it"))
		}
		s.ownerUtmpx = string(b)
	}
	s.ownerLog = string(b)
	return w.log.Append(ctx, dead)
}
