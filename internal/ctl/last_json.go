// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/sessions"
)

// sessionLines prints sessions as lines of JSON.
type sessionLines struct {
	w   io.Writer
	now time.Time
	b   []byte
	err error
}

func (l *sessionLines) session(s *sessions.Session) {
	if l.err == nil {
		l.b = append(appendSession(l.b[:0], s, l.now), "}\n"...)
		_, l.err = l.w.Write(l.b)
	}
}

func (l *sessionLines) end() error { return l.err }

// appendSession appends a session as an object of JSON without its last brace.
func appendSession(b []byte, s *sessions.Session, now time.Time) []byte {
	b = append(b, `{"pid":`...)
	b = strconv.AppendInt(b, int64(s.Login.PID), 10)
	b = recordjson.AppendText(b, "user", s.Login.User)
	b = recordjson.AppendText(b, "line", s.Login.Line)
	b = recordjson.AppendText(b, "host", s.Login.Host)
	b = recordjson.AppendText(b, "id", s.Login.ID)
	b = append(b, `,"addr":`...)
	if a := address(s); a != "" {
		b = recordjson.AppendString(b, a)
	} else {
		b = append(b, "null"...)
	}
	b = jsonTime(b, "from", s.From)
	b = jsonEnd(b, s)
	b = append(b, `,"ended_by":"`...)
	b = append(append(b, s.End...), `","exact":`...)
	b = strconv.AppendBool(b, s.Exact)
	b = append(b, `,"signal":`...)
	b = strconv.AppendInt(b, int64(s.Exit.Termination), 10)
	b = append(b, `,"exit_status":`...)
	b = strconv.AppendInt(b, int64(s.Exit.Exit), 10)
	if s.By != "" {
		b = append(append(append(b, `,"known_from":"`...), s.By...), '"')
	}
	shortest, longest, ok := s.Lasted(now)
	n := len(b)
	b = jsonSeconds(b, "lasted_least_seconds", shortest, ok)
	if ok && shortest == longest && longest >= 0 {
		seconds := b[n+len(`,"lasted_least_seconds":`):]
		return append(append(b, `,"lasted_most_seconds":`...), seconds...)
	}
	return jsonSeconds(b, "lasted_most_seconds", longest, ok && longest >= 0)
}

// jsonEnd appends when a session ended: three times that are the same, if that is known
// exactly.
func jsonEnd(b []byte, s *sessions.Session) []byte {
	n := len(b)
	b = jsonTime(b, "to", s.To)
	if s.Exact {
		to := b[n+len(`,"to":`):]
		b = append(append(b, `,"to_least":`...), to...)
		return append(append(b, `,"to_most":`...), to...)
	}
	b = jsonTime(b, "to_least", s.Least)
	return jsonTime(b, "to_most", s.Most)
}

func jsonTime(b []byte, name string, t time.Time) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	if t.IsZero() {
		return append(b, "null"...)
	}
	return recordjson.AppendTime(b, t)
}

func jsonSeconds(b []byte, name string, d time.Duration, known bool) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	if !known {
		return append(b, "null"...)
	}
	if d < 0 {
		b, d = append(b, '-'), -d
	}
	b = strconv.AppendUint(b, uint64(d)/1e9, 10)
	rest := uint64(d) % 1e9
	if rest == 0 {
		return b
	}
	b = append(b, ".000000000"...)
	for i := len(b) - 1; rest > 0; i, rest = i-1, rest/10 {
		b[i] = byte('0' + rest%10)
	}
	return bytes.TrimRight(b, "0")
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
