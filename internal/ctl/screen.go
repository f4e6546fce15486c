// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
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
	if printable(v) {
		return v
	}
	return string(s.appendText(nil, v))
}

// appendText appends what text returns.
func (s screen) appendText(b []byte, v string) []byte {
	if printable(v) {
		return append(b, v...)
	}
	for len(v) > 0 {
		r, n := utf8.DecodeRuneInString(v)
		switch {
		case r >= ' ' && r <= '~', s.unicode && r > '~' && n > 1 && unicode.IsPrint(r):
			b = append(b, v[:n]...)
		default:
			for _, c := range []byte(v[:n]) {
				b = fmt.Appendf(b, `\x%02x`, c)
			}
		}
		v = v[n:]
	}
	return b
}

// printable reports whether a text has nothing but printable ASCII characters.
func printable(v string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080 // in each of eight bytes
	for ; len(v) >= 8; v = v[8:] {
		if w := word(v); (w|(w-ones*' ')|(w+ones))&high != 0 {
			return false
		}
	}
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			return false
		}
	}
	return true
}

// word returns the first eight bytes as a number.
func word(v string) uint64 {
	return uint64(v[0]) | uint64(v[1])<<8 | uint64(v[2])<<16 | uint64(v[3])<<24 |
		uint64(v[4])<<32 | uint64(v[5])<<40 | uint64(v[6])<<48 | uint64(v[7])<<56
}

// columns returns how many columns a printable text takes.
func (s screen) columns(v string) int {
	if !s.unicode || ascii(v) {
		return len(v)
	}
	return runewidth.StringWidth(v)
}

func ascii[T string | []byte](v T) bool {
	for ; len(v) >= 8; v = v[8:] {
		if (v[0]|v[1]|v[2]|v[3]|v[4]|v[5]|v[6]|v[7])&utf8.RuneSelf != 0 {
			return false
		}
	}
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

// cells are the texts of a row, one behind the other.
type cells struct {
	text []byte
	ends []int
}

func (c *cells) reset() { c.text, c.ends = c.text[:0], c.ends[:0] }

// end makes a cell of what was appended to the text since the last one.
func (c *cells) end() { c.ends = append(c.ends, len(c.text)) }

// of returns a cell.
func (c *cells) of(i int) []byte {
	from := 0
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.text[from:c.ends[i]]
}

// table prints rows in columns that fit the screen. It takes the widths from the first
// rows, so that a long table needs little memory and begins at once.
type table struct {
	screen
	w      io.Writer
	cols   []column
	first  []cells
	widths []int  // once known
	narrow bool   // the screen is narrower than the narrowest columns: lines are cut
	blank  []byte // a line of blanks
	now    cells  // the row that is being made
	most   int    // how many bytes of lines may wait to be written; 0: none
	b      []byte // these
	err    error
}

// tableFirst is the number of rows from which a table takes its widths.
const tableFirst = 1000

func (s screen) table(w io.Writer, cols ...column) *table {
	return &table{screen: s, w: w, cols: cols}
}

// row adds a row. Cells that come from a record must have passed through text.
func (t *table) row(texts ...string) {
	t.now.reset()
	for _, v := range texts {
		t.now.text = append(t.now.text, v...)
		t.now.end()
	}
	t.add()
}

// add adds the row that was made in now.
func (t *table) add() {
	if t.widths != nil {
		t.print(&t.now)
		return
	}
	t.first = append(t.first, cells{bytes.Clone(t.now.text), slices.Clone(t.now.ends)})
	if len(t.first) == tableFirst {
		t.begin()
	}
}

// flush prints what is left, and returns the first error. A table without rows prints
// nothing.
func (t *table) flush() error {
	if t.widths == nil && len(t.first) > 0 {
		t.begin()
	}
	t.write()
	return t.err
}

// begin chooses the widths and prints the heading and the first rows.
func (t *table) begin() {
	first := t.first
	t.first, t.widths = nil, make([]int, len(t.cols))
	var heading cells
	for i, c := range t.cols {
		heading.text = append(heading.text, c.name...)
		heading.end()
		t.widths[i] = len(c.name)
		for _, row := range first {
			t.widths[i] = max(t.widths[i], t.columns(string(row.of(i))))
		}
	}
	t.fit()
	for _, w := range t.widths {
		t.blank = blank(t.blank, w+gap)
	}
	t.print(&heading)
	for i := range first {
		t.print(&first[i])
	}
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
			t.narrow = true
			return
		}
		t.widths[widest]--
	}
}

func (t *table) print(row *cells) {
	from := len(t.b)
	b, ok := t.place(t.b, row)
	if !ok {
		b = t.fill(t.b, row)
	}
	b = b[:from+len(bytes.TrimRight(b[from:], " "))]
	if t.narrow {
		b = append(b[:from], t.cut(string(b[from:]), t.width)...)
	}
	t.line(b)
}

// line takes b, which has one more line, without its end.
func (t *table) line(b []byte) {
	t.b = append(b, '\n')
	if len(t.b) > t.most {
		t.write()
	}
}

// write writes what was printed.
func (t *table) write() {
	if t.err == nil && len(t.b) > 0 {
		_, t.err = t.w.Write(t.b)
	}
	if t.err == nil { // else the bytes may be in use still
		t.b = t.b[:0]
	} else {
		t.b = nil
	}
}

// place appends a row whose cells are ASCII and not too long, as most are: it puts them on a
// line of blanks. ok is false of another one.
func (t *table) place(b []byte, row *cells) (_ []byte, ok bool) {
	if !ascii(row.text) {
		return b, false
	}
	before := len(b)
	b = append(b, t.blank...)
	at, from := before, 0
	for i, end := range row.ends {
		w, n := t.widths[i], end-from
		switch {
		case n > w:
			return b[:before], false
		case t.cols[i].right:
			copy(b[at+w-n:], row.text[from:end])
		default:
			copy(b[at:], row.text[from:end])
		}
		at, from = at+w+gap, end
	}
	return b, true
}

// fill appends any row, and cuts what is too long and may be cut.
func (t *table) fill(b []byte, row *cells) []byte {
	for i, c := range t.cols {
		cell := string(row.of(i))
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
	return b
}

// blank appends n blanks.
func blank(b []byte, n int) []byte {
	const blanks = "                                "
	for ; n > len(blanks); n -= len(blanks) {
		b = append(b, blanks...)
	}
	return append(b, blanks[:n]...)
}
