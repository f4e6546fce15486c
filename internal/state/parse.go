// SPDX-License-Identifier: BSD-2-Clause

package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// UnmarshalBinary reads what AppendText wrote, and the changes after it, of which the last
// one may be cut short: then it was being written when utmpd was killed, and is left out.
// Anything else is ErrCorrupt, and leaves s unchanged.
func (s *State) UnmarshalBinary(data []byte) error {
	n, err := parse(data)
	if err != nil {
		return fmt.Errorf("state: %w: %w", ErrCorrupt, err)
	}
	*s = n
	return nil
}

const (
	sumWord = "sha256 "
	sumLine = len(sumWord+"\n") + 2*sha256.Size
)

func parse(data []byte) (State, error) {
	var s State
	if len(data) > MaxSize {
		return s, fmt.Errorf("larger than %d bytes", MaxSize)
	}
	if !bytes.HasPrefix(data, []byte(header)) {
		return s, fmt.Errorf("does not begin with %q", header)
	}
	if len(data) < len(header)+sumLine {
		return s, fmt.Errorf("cut short")
	}
	data, journal := split(data)
	if len(data) < len(header)+sumLine {
		return s, fmt.Errorf("cut short")
	}
	body, tail := data[:len(data)-sumLine], data[len(data)-sumLine:]
	sum := sha256.Sum256(body)
	if string(tail) != "sha256 "+hex.EncodeToString(sum[:])+"\n" {
		return s, fmt.Errorf("cut short or changed: the checksum differs")
	}
	n, proc := 1, session.Entry{}
	for line := range bytes.Lines(body[len(header):]) {
		n++
		if err := s.line(n, string(line), &proc); err != nil {
			return s, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if n < 4 {
		return s, fmt.Errorf("no boot, alive and file lines")
	}
	// There is one way to write each state. To write it again and compare checks the
	// text and the limits without a rule for every field.
	again, err := s.AppendText(make([]byte, 0, len(data)))
	if err != nil {
		return s, err
	}
	if !bytes.Equal(again, data) {
		return s, fmt.Errorf("not as utmpd writes it")
	}
	return s, s.replay(sum, journal)
}

// split returns what ends with the first line of a checksum, and the rest. No other line
// begins like one.
func split(data []byte) (first, rest []byte) {
	at := bytes.Index(data, []byte("\n"+sumWord)) + 1
	if at == 0 {
		return data, nil
	}
	n := min(at+sumLine, len(data))
	return data[:n], data[n:]
}

// line reads line n, which ends with its newline. proc is the process of the
// record lines that follow its line.
func (s *State) line(n int, line string, proc *session.Entry) error {
	f := fields{rest: line}
	switch {
	case n == 2:
		s.BootID = f.word("boot ").quoted('\n')
	case n == 3:
		s.Alive = f.word("alive ").time('\n')
	case n == 4:
		s.File.Dev = f.word("file ").uint(' ', 64)
		s.File.Ino = f.uint('\n', 64)
	case strings.HasPrefix(line, "proc ") && len(s.Owed) == 0:
		*proc = f.proc()
	case strings.HasPrefix(line, "record ") && len(s.Owed) == 0 && proc.ID.PID > 0:
		s.Sessions = append(s.Sessions, f.record(*proc))
	case strings.HasPrefix(line, "own "):
		s.Own = append(s.Own, f.own())
	case strings.HasPrefix(line, "owed ") && len(s.Own) == 0:
		s.Owed = append(s.Owed, f.owed())
	default:
		return fmt.Errorf("not understood")
	}
	if f.bad || f.rest != "" {
		return fmt.Errorf("not understood")
	}
	return nil
}

// proc reads a process: what its sessions have in common.
func (f *fields) proc() session.Entry {
	s := session.Entry{
		ID: session.ID{
			PID:   int32(f.word("proc ").uint(' ', 31)),
			Start: f.word("start ").uint(' ', 64),
			Inode: f.word("inode ").uint(' ', 64),
		},
		Since: f.word("since ").time(f.endOf("since ")),
	}
	if f.rest != "" {
		s.Alive = f.word("alive ").time('\n')
	}
	return s
}

// record reads a session of the process in s.
func (f *fields) record(s session.Entry) session.Entry {
	s.Slot = int(f.word("record ").uint(' ', 31))
	f.bad = f.bad || copy(s.Sum[:], f.word("sum ").hex(' ')) != len(s.Sum)
	switch role := f.until(' '); role {
	case "leader":
		s.Led = true
	case "held":
		s.Led, s.Held = true, true
	case "logind":
		s.Led, s.Logind = true, true
	case "pid":
	default:
		f.bad = true
	}
	end := f.until(' ')
	f.bad = f.bad || end != "found" && end != "ended"
	s.End = f.time(' ')
	s.Exact = end == "ended" && !s.End.IsZero()
	s.Status = f.status('\n')
	return s
}

func (f *fields) owed() session.Debt {
	name, raw := f.word("owed layout ").quoted(' '), f.word("login x").hex(' ')
	d := session.Debt{End: f.word("ended ").time(' ')}
	d.Status = f.status(f.endOf("wait -"))
	if strings.HasPrefix(f.rest, "alive ") {
		d.After = f.word("alive ").time(f.endOf("alive "))
	}
	if strings.HasPrefix(f.rest, "by ") {
		d.By = session.ID{PID: f.word("by ").int32(' '), Start: f.word("start ").uint(' ', 64)}
		d.By.Inode = f.word("inode ").uint(f.endOf("inode "), 64)
	}
	if strings.HasPrefix(f.rest, "since ") {
		d.Alone, d.Since = true, f.word("since ").time(f.endOf("since "))
	}
	if f.rest != "" {
		d.Of = session.Login{Line: f.word("of ").quoted(' '), PID: f.word("pid ").int32(' ')}
		d.Of.Time.Sec = f.word("at ").int(' ', 64)
		d.Of.Time.Usec = f.int('\n', 64)
	}
	l, err := utmpx.ByName(name)
	if err != nil || len(raw) != l.Size() {
		f.bad = true
		return d
	}
	d.Login = l.Decode(string(raw))
	return d
}

// own reads a record of the bridge to logind.
func (f *fields) own() session.OwnRecord {
	var o session.OwnRecord
	o.Line, o.PID = f.word("own ").quoted(' '), f.word("pid ").int32(' ')
	o.Time.Sec = f.word("at ").int(' ', 64)
	o.Time.Usec = f.int(' ', 64)
	o.ID = f.word("id ").quoted(' ')
	if o.User = f.word("user ").quotedIn(); strings.HasPrefix(f.rest, " ") {
		o.Led.PID = f.word(" led ").int32(' ')
		o.Led.Start = f.word("start ").uint('\n', 64)
	} else {
		f.word("\n")
	}
	return o
}

// status reads a wait status, -1 if it is unknown.
func (f *fields) status(end byte) session.Status {
	wait := f.word("wait ").int32(end)
	if wait < 0 {
		return session.Status{}
	}
	return session.Status{Known: true, Wait: wait}
}

// fields reads a line from the left. After a field that is wrong it stays bad.
type fields struct {
	rest string
	bad  bool
}

func (f *fields) word(w string) *fields {
	rest, ok := strings.CutPrefix(f.rest, w)
	f.rest, f.bad = rest, f.bad || !ok
	return f
}

func (f *fields) until(end byte) string {
	v, rest, ok := strings.Cut(f.rest, string(end))
	f.rest, f.bad = rest, f.bad || !ok
	return v
}

// endOf returns what ends the number or time that follows a prefix of that length: a
// blank, or the end of the line.
func (f *fields) endOf(prefix string) byte {
	if len(f.rest) > len(prefix) && strings.ContainsRune(f.rest[len(prefix):], ' ') {
		return ' '
	}
	return '\n'
}

func (f *fields) uint(end byte, bits int) uint64 {
	n, err := strconv.ParseUint(f.until(end), 10, bits)
	f.bad = f.bad || err != nil
	return n
}

func (f *fields) int32(end byte) int32 { return int32(f.int(end, 32)) }

func (f *fields) int(end byte, bits int) int64 {
	n, err := strconv.ParseInt(f.until(end), 10, bits)
	f.bad = f.bad || err != nil
	return n
}

func (f *fields) hex(end byte) []byte {
	v := f.until(end)
	if v == "" {
		return nil
	}
	b, err := hex.DecodeString(v)
	f.bad = f.bad || err != nil
	return b
}

func (f *fields) time(end byte) time.Time {
	v := f.until(end)
	if v == "-" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	f.bad = f.bad || err != nil
	return t.UTC()
}

func (f *fields) quoted(end byte) string {
	v := f.quotedIn()
	f.bad = f.bad || f.until(end) != ""
	return v
}

// quotedIn is quoted, and leaves what ends it.
func (f *fields) quotedIn() string {
	q, err := strconv.QuotedPrefix(f.rest)
	if err != nil {
		f.bad = true
		return ""
	}
	f.rest = f.rest[len(q):]
	v, err := strconv.Unquote(q)
	f.bad = f.bad || err != nil
	return v
}
