// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"net/netip"
	"strconv"
	"time"

	"utmpd.dev/utmpd/internal/recordjson"
)

// AppendJSON appends the event as one JSON object, without a newline, and returns the
// extended slice. No control character is in it. docs/events.schema.json describes the form.
func (e *Event) AppendJSON(b []byte, of Machine) []byte {
	o := object{append(b, `{"schema":1`...)}
	o.string("id", e.ID)
	o.string("event", string(e.Kind))
	o.time("time", e.Time)
	o.text("machine", of.Name)
	if of.ID != "" {
		o.string("machine_id", of.ID)
	}
	if of.Boot != "" {
		o.string("boot_id", of.Boot)
	}
	switch e.Kind {
	case Login:
		o.session(&e.Session)
	case Logout:
		o.session(&e.Session)
		o.time("login_time", e.Session.Began)
		o.seconds("lasted_least_seconds", e.Shortest, e.Lasted)
		o.seconds("lasted_most_seconds", e.Longest, e.Lasted && e.Longest >= 0)
		o.string("ended_by", string(e.EndedBy))
		o.number("signal", int64(e.Signal))
		o.number("exit_status", int64(e.Status))
		o.bounds(e)
		o.text("known_from", string(e.By))
	case Boot:
		o.text("kernel", e.Kernel)
		o.text("known_from", string(e.By))
	case Shutdown:
		o.text("known_from", string(e.By))
	case Crash:
		o.bounds(e)
		o.text("known_from", string(e.By))
	case Clock:
		o.time("from", e.From)
		o.time("to", e.To)
		o.seconds("step_seconds", e.To.Sub(e.From), !e.From.IsZero())
	case Gap:
		o.time("after", e.From)
		o.time("before", e.To)
	}
	return append(o.b, '}')
}

// object is an object of JSON that grows. What is unknown is null.
type object struct{ b []byte }

func (o *object) name(name string) {
	o.b = append(o.b, ',', '"')
	o.b = append(append(o.b, name...), '"', ':')
}

func (o *object) null(name string) {
	o.name(name)
	o.b = append(o.b, "null"...)
}

func (o *object) string(name, s string) {
	o.name(name)
	o.b = recordjson.AppendString(o.b, s)
}

// text adds what came from a record. "" is unknown.
func (o *object) text(name, s string) {
	if s == "" {
		o.null(name)
		return
	}
	o.b = recordjson.AppendText(o.b, name, s)
}

// number adds a number of which 0 is unknown.
func (o *object) number(name string, n int64) {
	if n == 0 {
		o.null(name)
		return
	}
	o.name(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) seconds(name string, d time.Duration, known bool) {
	if !known {
		o.null(name)
		return
	}
	o.name(name)
	o.b = strconv.AppendFloat(o.b, d.Seconds(), 'f', -1, 64)
}

func (o *object) time(name string, t time.Time) {
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		o.null(name)
		return
	}
	o.name(name)
	o.b = recordjson.AppendTime(o.b, t)
}

func (o *object) bounds(e *Event) {
	o.name("exact")
	o.b = strconv.AppendBool(o.b, e.Exact)
	least, most := e.Least, e.Most
	if e.Exact {
		least, most = e.Time, e.Time
	}
	o.time("time_least", least)
	o.time("time_most", most)
}

func (o *object) session(s *Session) {
	if s.ID == "" {
		o.null("session")
	} else {
		o.string("session", s.ID)
	}
	o.text("line", s.Line)
	o.text("user", s.User)
	o.text("host", s.Host)
	o.addr(s.Addr)
	o.number("pid", int64(s.PID))
}

func (o *object) addr(a netip.Addr) {
	if !a.IsValid() {
		o.null("addr")
		return
	}
	o.string("addr", a.String())
}
