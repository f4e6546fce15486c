// SPDX-License-Identifier: BSD-2-Clause

package utmpfile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// Session is what [Login] records. Line and User must be set.
type Session struct {
	// Line is the terminal, such as "pts/3", with or without /dev/. A program
	// without a terminal makes up a name, such as "ftpd4711". At most 32 bytes.
	Line string
	User string // the user's name, at most 32 bytes
	// ID identifies the record in the utmpx file, at most 4 bytes. If it is empty,
	// Login takes the last four bytes of the line without "tty", as sshd and
	// utempter do: "ts/3". It leaves ID empty where that cuts the last part of the
	// name, as in pts/12345; the record is then found by its line.
	ID   string
	Host string     // where the login came from, at most 256 bytes
	Addr netip.Addr // the host's address, if known
	PID  int32      // the session's process; 0: this one
	Time time.Time  // of the login; zero: now
}

// Recorder records logins and logouts in a utmpx file and a wtmpx log.
// The zero Recorder uses this machine's.
type Recorder struct {
	File *File // nil: this machine's
	Log  *Log  // nil: this machine's
}

// This machine's files. Calls that wait for a lock share the place in its queue.
var (
	machineFile File
	machineLog  Log
)

func (r Recorder) file() *File {
	if r.File == nil {
		return &machineFile
	}
	return r.File
}

func (r Recorder) log() *Log {
	if r.Log == nil {
		return &machineLog
	}
	return r.Log
}

// Login records a login in this machine's files: see [Recorder.Login].
func Login(ctx context.Context, s Session) error { return Recorder{}.Login(ctx, s) }

// Logout records a logout in this machine's files: see [Recorder.Logout].
func Logout(ctx context.Context, line string, at time.Time) error {
	return Recorder{}.Logout(ctx, line, at)
}

// Login puts a USER_PROCESS record of the session into the utmpx file, as [File.Put]
// does, and appends the same record to the log, as [Log.Append] does. The records are
// those of the C library's login(3), but that the line, and the process, are the
// caller's choice.
//
// If one file cannot be written, Login still writes the other one and returns the
// error: [io/fs.ErrNotExist] on a machine without one of the files, [ErrLocked],
// [io/fs.ErrPermission] and so on. A session that is not valid is written to neither:
// [ErrLine], [ErrUser], [utmpx.ErrRange].
//
// Source: login(3); login/login.c of glibc 2.36.
func (r Recorder) Login(ctx context.Context, s Session) error {
	rec, err := s.record()
	if err != nil {
		return fmt.Errorf("utmpfile: record a login: %w", err)
	}
	_, err = r.file().Put(ctx, rec)
	if errors.Is(err, utmpx.ErrRange) {
		return err
	}
	return errors.Join(err, r.log().Append(ctx, rec))
}

// record returns the session's record.
func (s Session) record() (utmpx.Record, error) {
	line, err := lineOf(s.Line)
	if err == nil && s.User == "" {
		err = fmt.Errorf("%w: line %q", ErrUser, line)
	}
	if err != nil {
		return utmpx.Record{}, err
	}
	rec := utmpx.Record{
		Type: utmpx.UserProcess, Line: line, User: s.User, ID: s.ID, Host: s.Host, PID: s.PID,
		Time: utmpx.TimeOf(orNow(s.Time)),
	}
	if rec.ID == "" {
		rec.ID = idOf(line)
	}
	if rec.PID == 0 {
		rec.PID = int32(os.Getpid())
	}
	rec.SetIP(s.Addr.Unmap())
	return rec, nil
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

// lineOf returns the name of a line without /dev/.
func lineOf(name string) (string, error) {
	line := strings.TrimPrefix(name, "/dev/")
	control := func(c rune) bool { return c < 0x20 || c == 0x7f }
	if line == "" || line[0] == '/' || strings.ContainsFunc(line, control) {
		return "", fmt.Errorf("%w: %q", ErrLine, name)
	}
	return line, nil
}

// idOf returns the ut_id for a line, "" if four bytes do not hold the name.
func idOf(line string) string {
	id := strings.TrimPrefix(line, "tty")
	if len(id) <= 4 {
		return id
	}
	id = id[len(id)-4:]
	if strings.Contains(id, "/") || line[len(line)-5] == '/' {
		return id
	}
	return ""
}

// Logout records that the session on a line has ended, at a time (zero: now). The
// line may have a leading /dev/.
//
// In the utmpx file Logout marks the line's first USER_PROCESS record as
// DEAD_PROCESS, sets its time, and clears its user and host, as the C library's
// logout(3) does. To the log it appends a DEAD_PROCESS record with the line, the time
// and the session's process, and all else blank, as logwtmp(3) does. Unlike logout(3)
// it leaves the LOGIN_PROCESS record of a getty on the same line alone.
//
// If the line has no session, Logout writes nothing and returns [ErrNoSession].
// Somebody else has recorded the logout already: a second one in the log could end
// the next session. If the utmpx file is missing or cannot be written, Logout still
// appends to the log, with this process, and returns the error.
//
// It locks and waits as [File.Put] and [Log.Append] do.
//
// Source: login(3), logwtmp(3); login/logout.c and login/logwtmp.c of glibc 2.36.
func (r Recorder) Logout(ctx context.Context, line string, at time.Time) error {
	line, err := lineOf(line)
	if err != nil {
		return fmt.Errorf("utmpfile: record a logout: %w", err)
	}
	end := utmpx.Record{
		Type: utmpx.DeadProcess, Line: line, PID: int32(os.Getpid()), Time: utmpx.TimeOf(orNow(at)),
	}
	was, err := r.file().end(ctx, line, end.Time)
	switch {
	case err == nil:
		end.PID = was.PID
	case errors.Is(err, ErrNoSession), errors.Is(err, utmpx.ErrRange):
		return err
	}
	return errors.Join(err, r.log().Append(ctx, end))
}

// end marks the session on a line as ended and returns its record as it was.
func (f *File) end(ctx context.Context, line string, at utmpx.Time) (utmpx.Record, error) {
	for {
		s, err := f.get().Snapshot(nil)
		if err != nil {
			return utmpx.Record{}, public(err)
		}
		slot, was, err := f.find(line, s.All())
		if err != nil {
			return was, err
		}
		dead := was
		dead.Type, dead.User, dead.Host, dead.Time = utmpx.DeadProcess, "", "", at
		done, err := f.get().Swap(ctx, s.Generation(), []recfile.Swap{{Slot: slot, Old: was, New: dead}})
		if err == nil && done[0] {
			return was, nil
		}
		// The record has changed, or the file was replaced, since it was read.
		if err != nil && !errors.Is(err, recfile.ErrReplaced) {
			return was, public(err)
		}
		if ctx.Err() != nil {
			return was, fmt.Errorf("utmpfile: record a logout in %s: %w", f.Name(), context.Cause(ctx))
		}
	}
}

// find returns the first session on a line.
func (f *File) find(line string, records iter.Seq2[int, utmpx.Record]) (int, utmpx.Record, error) {
	for slot, r := range records {
		if r.Type == utmpx.UserProcess && r.Line == line {
			return slot, r, nil
		}
	}
	return 0, utmpx.Record{}, fmt.Errorf("utmpfile: record a logout in %s: %w: %q", f.Name(), ErrNoSession, line)
}
