// SPDX-License-Identifier: BSD-2-Clause

// Package logging makes the daemon's loggers: for standard error or the journal,
// for syslog, and for debugging on a terminal. Each event is one line of
// printable text: control characters from records are quoted.
package logging

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// NewForeground returns a logger of lines like
//
//	time=2026-01-02T15:04:05.123Z level=INFO msg="session ended" line=pts/0
//
// to w, usually standard error. With journal, the line begins with its priority
// as in sd-daemon(3) and has no time, which the journal adds. A write that blocks
// delays the caller.
func NewForeground(w io.Writer, level slog.Leveler, journal bool) *slog.Logger {
	o := &output{w: w}
	h := &handler{level: level, write: o.text}
	if journal {
		h.write = o.journal
	}
	return slog.New(h)
}

// NewDebug returns a logger of lines for a person to read,
//
//	15:04:05.123 session ended  line=pts/0 user=alice
//
// in local time, to w, usually standard output. A write that blocks delays the
// caller.
func NewDebug(w io.Writer, level slog.Leveler) *slog.Logger {
	o := &output{w: w}
	return slog.New(&handler{level: level, write: o.debug})
}

// ToJournal reports whether f, usually standard error, is connected to the
// journal: whether JOURNAL_STREAM names it. It is not enough that the variable is
// set, since programs started from a service inherit it. getenv is usually
// os.Getenv.
//
// Source: systemd.exec(5).
func ToJournal(getenv func(string) string, f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && getenv("JOURNAL_STREAM") ==
		strconv.FormatUint(uint64(st.Dev), 10)+":"+strconv.FormatUint(st.Ino, 10)
}

// output writes each line with one call of Write, one line at a time.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) emit(line []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.w.Write(line)
	return err
}

// AppendTime appends a time in the form of all logs: RFC 3339 with milliseconds.
// It is faster than the layout with milliseconds, since package time has a fast
// path for time.RFC3339 only.
func AppendTime(b []byte, t time.Time) []byte {
	const seconds = len("2006-01-02T15:04:05")
	var buf [64]byte
	s := t.AppendFormat(buf[:0], time.RFC3339)
	if y := t.Year(); y < 0 || y > 9999 { // the year has another length
		return t.AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	}
	milli := t.Nanosecond() / 1e6
	b = append(b, s[:seconds]...)
	b = append(b, '.', byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10))
	return append(b, s[seconds:]...)
}

func (o *output) text(r *slog.Record, attrs []byte) error {
	b := make([]byte, 0, 256)
	if !r.Time.IsZero() {
		b = append(b, "time="...)
		b = AppendTime(b, r.Time)
		b = append(b, ' ')
	}
	return o.emit(append(appendText(b, r, attrs), '\n'))
}

func (o *output) journal(r *slog.Record, attrs []byte) error {
	b := make([]byte, 0, 256)
	b = append(b, '<', byte('0'+severity(r.Level)), '>')
	return o.emit(append(appendText(b, r, attrs), '\n'))
}

func (o *output) debug(r *slog.Record, attrs []byte) error {
	b := make([]byte, 0, 256)
	b = r.Time.Local().AppendFormat(b, "15:04:05.000 ")
	switch {
	case r.Level >= slog.LevelError:
		b = append(b, "error: "...)
	case r.Level >= slog.LevelWarn:
		b = append(b, "warning: "...)
	}
	b = appendMessage(b, r.Message)
	if len(attrs) > 0 {
		b = append(b, ' ')
		b = append(b, attrs...) // each begins with a blank
	}
	return o.emit(append(b, '\n'))
}

// appendText appends an event's level, message and attributes, without a newline.
func appendText(b []byte, r *slog.Record, attrs []byte) []byte {
	b = append(b, "level="...)
	b = append(b, r.Level.String()...)
	b = append(b, " msg="...)
	b = appendString(b, r.Message)
	return append(b, attrs...)
}

// severity returns the level as a severity of syslog(3).
func severity(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// handler is a [slog.Handler] that formats and quotes the attributes. write
// formats the rest of the line and writes it.
type handler struct {
	level  slog.Leveler
	write  func(r *slog.Record, attrs []byte) error
	prefix string // the names of the open groups, each followed by a dot
	attrs  []byte // the attributes of With, each preceded by a blank
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.level.Level()
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	b := make([]byte, len(h.attrs), len(h.attrs)+256)
	copy(b, h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.prefix, a)
		return true
	})
	return h.write(&r, b)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		n.attrs = appendAttr(n.attrs, h.prefix, a)
	}
	return &n
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.prefix += name + "."
	return &n
}

func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if a.Key == "" && v.Kind() != slog.KindGroup {
		if v.Any() == nil {
			return b
		}
		a.Key = "!nokey"
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			b = appendAttr(b, prefix, g)
		}
		return b
	}
	b = append(b, ' ')
	b = appendString(b, prefix+a.Key)
	b = append(b, '=')
	return appendValue(b, v)
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	case slog.KindAny:
		return appendString(b, text(v.Any()))
	}
	return appendString(b, v.String())
}
