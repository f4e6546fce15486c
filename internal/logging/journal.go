// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"strings"
)

// NewJournal returns a logger to the journal by its own protocol: beside the text, each
// attribute is a field that journalctl can search, with the prefix UTMP_, as in
// UTMP_LINE=pts/0. id gives the MESSAGE_ID of a message, or "". What the journal does not
// read waits as in a [Queue], whose lines are dropped and counted. The error says why there
// is no such journal.
func NewJournal(socket, tag string, level slog.Leveler, id func(message string) string) (*slog.Logger, *Journal, error) {
	w, err := dialJournal(socket)
	if err != nil {
		return nil, nil, err
	}
	queue := NewQueue(w, Lost(newJournalHandler(w, tag, level, id)))
	return slog.New(newJournalHandler(queue, tag, level, id)), &Journal{queue, w}, nil
}

// Journal is the connection to the journal. It must be closed.
type Journal struct {
	*Queue
	conn io.WriteCloser
}

// Close waits until what was queued is written, at most a second.
func (j *Journal) Close() error {
	return errors.Join(j.Queue.Close(), j.conn.Close())
}

// journalHandler is a [slog.Handler] that writes one datagram for each event.
type journalHandler struct {
	text   handler // formats MESSAGE
	to     io.Writer
	tag    string
	id     func(message string) string
	fields []byte // of the attributes of With
}

func newJournalHandler(w io.Writer, tag string, level slog.Leveler, id func(string) string) *journalHandler {
	return &journalHandler{text: handler{level: level}, to: w, tag: tag, id: id}
}

func (h *journalHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.text.Enabled(ctx, l)
}

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	attrs := append(make([]byte, 0, 256), h.text.attrs...)
	b := make([]byte, 0, 1024)
	b = appendField(b, "PRIORITY", string(rune('0'+severity(r.Level))))
	b = appendField(b, "SYSLOG_FACILITY", "3")
	b = appendField(b, "SYSLOG_IDENTIFIER", h.tag)
	if id := h.id(r.Message); id != "" {
		b = appendField(b, "MESSAGE_ID", id)
	}
	b = append(b, h.fields...)
	r.Attrs(func(a slog.Attr) bool {
		attrs = appendAttr(attrs, h.text.prefix, a)
		b = appendAttrFields(b, h.text.prefix, a)
		return true
	})
	b = appendField(b, "MESSAGE", string(appendText(nil, &r, attrs)))
	_, err := h.to.Write(b)
	return err
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.text = *h.text.WithAttrs(attrs).(*handler)
	n.fields = bytes.Clone(h.fields)
	for _, a := range attrs {
		n.fields = appendAttrFields(n.fields, h.text.prefix, a)
	}
	return &n
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	n := *h
	if text, ok := h.text.WithGroup(name).(*handler); ok {
		n.text = *text
	}
	return &n
}

// appendAttrFields appends the fields of an attribute.
func appendAttrFields(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, g := range v.Group() {
			b = appendAttrFields(b, prefix, g)
		}
		return b
	}
	if a.Key == "" {
		return b
	}
	return appendField(b, fieldName(prefix+a.Key), fieldValue(v))
}

// fieldValue returns a value as it is, without quotes: the journal keeps any bytes.
func fieldValue(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return string(AppendTime(nil, v.Time()))
	case slog.KindAny:
		return text(v.Any())
	}
	return v.String()
}

// fieldName returns the field of an attribute: at most 64 capitals, digits and underscores,
// which is all that the journal takes.
func fieldName(key string) string {
	name := "UTMP_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), 64)]
}

// appendField appends a field. A value with a newline has its length before it.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	if !strings.Contains(value, "\n") {
		b = append(b, '=')
		b = append(b, value...)
		return append(b, '\n')
	}
	b = append(b, '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	b = append(b, value...)
	return append(b, '\n')
}
