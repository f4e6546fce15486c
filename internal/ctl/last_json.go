// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"io"
	"strconv"
	"time"

	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// sessionLines prints sessions as lines of JSON.
type sessionLines struct {
	w    io.Writer
	now  time.Time
	days recordjson.Days
	b    []byte
	err  error
}

func (l *sessionLines) session(s *sessions.Session) {
	l.b = append(l.append(l.b, s), "}\n"...)
	if len(l.b) > fastWrite {
		l.write()
	}
}

// write writes the lines that were made.
func (l *sessionLines) write() {
	if l.err == nil && len(l.b) > 0 {
		_, l.err = l.w.Write(l.b)
	}
	if l.err == nil {
		l.b = l.b[:0]
	} else {
		l.b = nil // its bytes may be in use still
	}
}

func (l *sessionLines) end() error {
	l.write()
	return l.err
}

// append appends a session as an object of JSON without its last brace.
func (l *sessionLines) append(b []byte, s *sessions.Session) []byte {
	b = append(b, `{"pid":`...)
	if s.Login.PID < 0 {
		b = strconv.AppendInt(b, int64(s.Login.PID), 10)
	} else {
		b = recordjson.AppendUint(b, uint64(s.Login.PID))
	}
	b = jsonTexts(b, &s.Login)
	if a := address(s); a != "" {
		b = append(b, `,"addr":`...)
		b = recordjson.AppendString(b, a)
	} else {
		b = append(b, `,"addr":null`...)
	}
	b = l.time(append(b, `,"from":`...), s.From)
	b = l.times(b, s)
	b = jsonEnding(b, s)
	if s.By != "" {
		b = append(append(append(b, `,"known_from":"`...), s.By...), '"')
	}
	shortest, longest, ok := s.Lasted(l.now)
	b = append(b, `,"lasted_least_seconds":`...)
	n := len(b)
	b = jsonSeconds(b, shortest, ok)
	seconds := b[n:]
	b = append(b, `,"lasted_most_seconds":`...)
	if ok && shortest == longest {
		return append(b, seconds...)
	}
	return jsonSeconds(b, longest, ok && longest >= 0)
}

// jsonTexts appends the texts of a login.
func jsonTexts(b []byte, r *utmpx.Record) []byte {
	if recordjson.Plain(r.User) && recordjson.Plain(r.Line) && recordjson.Plain(r.Host) && recordjson.Plain(r.ID) {
		b = append(append(b, `,"user":"`...), r.User...) // most are: in few steps
		b = append(append(b, `","line":"`...), r.Line...)
		b = append(append(b, `","host":"`...), r.Host...)
		b = append(append(b, `","id":"`...), r.ID...)
		return append(b, '"')
	}
	b = recordjson.AppendText(b, "user", r.User)
	b = recordjson.AppendText(b, "line", r.Line)
	b = recordjson.AppendText(b, "host", r.Host)
	return recordjson.AppendText(b, "id", r.ID)
}

// times appends when a session ended: three times that are the same, if that is known
// exactly.
func (l *sessionLines) times(b []byte, s *sessions.Session) []byte {
	b = append(b, `,"to":`...)
	n := len(b)
	b = l.time(b, s.To)
	if s.Exact {
		to := b[n:]
		b = append(append(b, `,"to_least":`...), to...)
		return append(append(b, `,"to_most":`...), to...)
	}
	b = l.time(append(b, `,"to_least":`...), s.Least)
	return l.time(append(b, `,"to_most":`...), s.Most)
}

// time appends a time, or that there is none.
func (l *sessionLines) time(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return l.days.AppendTime(b, t)
}

// jsonEnding appends how a session ended.
func jsonEnding(b []byte, s *sessions.Session) []byte {
	if s.End == sessions.Logout && s.Exact && s.Exit == (utmpx.Exit{}) {
		return append(b, `,"ended_by":"logout","exact":true,"signal":0,"exit_status":0`...) // most do
	}
	b = append(b, `,"ended_by":"`...)
	b = append(append(b, s.End...), `","exact":`...)
	b = strconv.AppendBool(b, s.Exact)
	b = append(b, `,"signal":`...)
	b = strconv.AppendInt(b, int64(s.Exit.Termination), 10)
	b = append(b, `,"exit_status":`...)
	return strconv.AppendInt(b, int64(s.Exit.Exit), 10)
}

func jsonSeconds(b []byte, d time.Duration, known bool) []byte {
	if !known {
		return append(b, "null"...)
	}
	if d < 0 {
		b, d = append(b, '-'), -d
	}
	b = recordjson.AppendUint(b, uint64(d)/1e9)
	rest := uint64(d) % 1e9
	if rest == 0 {
		return b
	}
	b = append(b, ".000000000"...)
	end := len(b)
	for rest%10 == 0 {
		end, rest = end-1, rest/10
	}
	for i := end - 1; rest > 0; i, rest = i-1, rest/10 {
		b[i] = byte('0' + rest%10)
	}
	return b[:end]
}

// asJSON prints the counts as one object.
func (c *counts) asJSON() error {
	b := append([]byte(`{"sessions":`), strconv.Itoa(c.v.shown)...)
	b = append(b, `,"users":{`...)
	for i, user := range c.v.byCount() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(recordjson.AppendString(b, user), ':')
		b = strconv.AppendInt(b, int64(*c.v.users[user]), 10)
	}
	b = append(b, '}')
	if c.v.other > 0 {
		b = strconv.AppendInt(append(b, `,"other_users":`...), int64(c.v.other), 10)
	}
	_, err := c.w.Write(append(b, "}\n"...))
	return err
}
