// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"
)

// screen is how a command's output looks: what fits a line, and which characters may be
// in it.
type screen struct {
	width   int  // in columns; 0: lines have no limit
	unicode bool // the locale has characters other than ASCII
}

// screen returns that of standard output. COLUMNS counts, as in ps(1); without it, only a
// terminal limits the width.
func (c call) screen() screen {
	s := screen{unicode: inUTF8(os.Getenv)}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.width = n
		return s
	}
	if f, ok := c.stdout.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			s.width = int(size.Col)
		}
	}
	return s
}

// inUTF8 reports whether the environment selects UTF-8, by the variables of setlocale(3).
func inUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// text returns what may be printed of a string that came from a record: control
// characters, and what the locale cannot show, become escapes such as \x1b.
func (s screen) text(v string) string {
	if strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		return v
	}
	var b strings.Builder
	for len(v) > 0 {
		r, n := utf8.DecodeRuneInString(v)
		switch {
		case r >= ' ' && r <= '~', s.unicode && r > '~' && n > 1 && unicode.IsPrint(r):
			b.WriteString(v[:n])
		default:
			for _, c := range []byte(v[:n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		}
		v = v[n:]
	}
	return b.String()
}

// columns returns how many columns a printable text takes.
func (s screen) columns(v string) int {
	if !s.unicode || ascii(v) {
		return len(v)
	}
	return runewidth.StringWidth(v)
}

func ascii(v string) bool {
	for i := range len(v) {
		if v[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// cut returns a text that takes at most n columns; its last column shows that it was cut.
func (s screen) cut(v string, n int) string {
	switch {
	case n <= 0 || s.columns(v) <= n:
		return v
	case s.unicode:
		return runewidth.Truncate(v, n, "…")
	}
	return v[:n-1] + "+"
}

// column is one column of a table.
type column struct {
	name  string
	least int  // columns to which it may be cut; 0: it is not cut
	right bool // its numbers end at one place
}

// table prints rows in columns that fit the screen. It takes the widths from the first
// rows, so that a long table needs little memory and begins at once.
type table struct {
	screen
	w      io.Writer
	cols   []column
	first  [][]string
	widths []int // once known
	b      []byte
	err    error
}

// tableFirst is the number of rows from which a table takes its widths.
const tableFirst = 1000

func (s screen) table(w io.Writer, cols ...column) *table {
	return &table{screen: s, w: w, cols: cols}
}

// row adds a row. Cells that come from a record must have passed through text.
func (t *table) row(cells ...string) {
	if t.widths != nil {
		t.print(cells)
		return
	}
	if t.first = append(t.first, cells); len(t.first) == tableFirst {
		t.begin()
	}
}

// flush prints what is left, and returns the first error. A table without rows prints
// nothing.
func (t *table) flush() error {
	if t.widths == nil && len(t.first) > 0 {
		t.begin()
	}
	return t.err
}

// begin chooses the widths and prints the heading and the first rows.
func (t *table) begin() {
	heading := make([]string, len(t.cols))
	t.widths = make([]int, len(t.cols))
	for i, c := range t.cols {
		heading[i] = c.name
		for _, cells := range t.first {
			t.widths[i] = max(t.widths[i], t.columns(cells[i]))
		}
		t.widths[i] = max(t.widths[i], len(c.name))
	}
	t.fit()
	t.print(heading)
	for _, cells := range t.first {
		t.print(cells)
	}
	t.first = nil
}

// gap is the space between two columns.
const gap = 2

// fit makes the widest of the columns that may be cut narrower until the table fits.
func (t *table) fit() {
	if t.width == 0 {
		return
	}
	over := -gap - t.width
	for _, w := range t.widths {
		over += gap + w
	}
	for ; over > 0; over-- {
		widest := -1
		for i, c := range t.cols {
			if c.least > 0 && t.widths[i] > c.least && (widest < 0 || t.widths[i] > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		t.widths[widest]--
	}
}

func (t *table) print(cells []string) {
	if t.err != nil {
		return
	}
	b := t.b[:0]
	for i, c := range t.cols {
		cell := cells[i]
		if c.least > 0 && t.width > 0 {
			cell = t.cut(cell, t.widths[i])
		}
		space := max(0, t.widths[i]-t.columns(cell))
		if c.right {
			b = append(blank(b, space), cell...)
		} else {
			b = blank(append(b, cell...), space)
		}
		b = blank(b, gap)
	}
	t.b = append(bytes.TrimRight(b, " "), '\n')
	_, t.err = t.w.Write(t.b)
}

// blank appends n blanks.
func blank(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}
