// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxValue bounds what is shown of one value, in bytes.
const maxValue = 1024

// Quote returns s as it would stand in a log: as it is if it is one word of
// printable characters, else quoted as in Go, where nothing stays that a
// terminal or a log would obey: control characters of both sets, DEL, invalid
// UTF-8, marks that turn the direction of writing. Of a long one the beginning
// is shown.
func Quote(s string) string { return string(appendString(nil, s)) }

func appendString(b []byte, s string) []byte {
	s, cut := shorten(s)
	if plain(s, false) {
		b = append(b, s...)
	} else {
		b = strconv.AppendQuote(b, s)
	}
	if cut {
		b = append(b, "..."...)
	}
	return b
}

// appendMessage is appendString for a message that begins a line, in which
// blanks stay.
func appendMessage(b []byte, s string) []byte {
	if len(s) <= maxValue && plain(s, true) {
		return append(b, s...)
	}
	return appendString(b, s)
}

// plain reports whether s can stand unquoted, by the same table of printable
// characters that strconv.Quote goes by.
func plain(s string, blanks bool) bool {
	for i, r := range s {
		switch {
		case r == ' ' && blanks:
		case r == ' ', r == '"', r == '=', r == '\\', !strconv.IsPrint(r):
			return false
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return s != ""
}

func shorten(s string) (string, bool) {
	if len(s) <= maxValue {
		return s, false
	}
	n := maxValue
	for n > maxValue-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n], true
}

// text is what fmt, which survives a method that panics, makes of a value.
func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}
