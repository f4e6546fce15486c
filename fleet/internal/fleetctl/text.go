// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// text returns what may be printed of what came from a host: everything that is not
// printable becomes an escape such as \x1b.
func text(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			b.WriteString(s[:n])
		} else {
			for _, c := range []byte(s[:n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		}
		s = s[n:]
	}
	return b.String()
}

// table prints rows; "" is shown as "-".
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, heads ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)}
	t.row(heads...)
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		if c = text(c); c == "" {
			c = "-"
		}
		if i > 0 {
			io.WriteString(t.w, "\t")
		}
		io.WriteString(t.w, c)
	}
	io.WriteString(t.w, "\n")
}

func (t *table) end() error { return t.w.Flush() }

// moment is a time, local, as it is shown.
func moment(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// bounds shows when something happened that may be known by bounds alone.
func bounds(at, least, most *time.Time, exact bool) string {
	switch {
	case exact:
		return moment(at)
	case least == nil && most == nil:
		return moment(at) + "?"
	case most == nil:
		return moment(least) + " or later"
	case least == nil:
		return moment(most) + " or before"
	}
	return moment(least) + " to " + moment(most)
}

// line prints an object as a line of JSON.
func line(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return rawLine(w, b)
}

// rawLine prints JSON as one line without a character that cannot be printed.
func rawLine(w io.Writer, b []byte) error {
	var c bytes.Buffer
	if err := json.Compact(&c, b); err != nil {
		return err
	}
	out := make([]byte, 0, c.Len()+1)
	for _, r := range c.String() {
		switch {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	_, err := w.Write(append(out, '\n'))
	return err
}
