// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxValue limits the length of one value in the log, in bytes.
const maxValue = 1024

// appendString appends s as the logs show it. One word of printable characters is
// unchanged. Anything else is quoted as by strconv.Quote, which escapes control
// characters (C0, DEL and C1), invalid UTF-8, and characters that change the
// direction of text. A value longer than 1024 bytes is truncated, with "..." at
// its end.
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

// appendMessage appends a message. Unlike appendString it does not quote it for
// its blanks.
func appendMessage(b []byte, s string) []byte {
	if len(s) <= maxValue && plain(s, true) {
		return append(b, s...)
	}
	return appendString(b, s)
}

// plain reports whether s needs no quotes: it has printable characters only, as
// strconv.Quote defines them.
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

// text formats a value with fmt, which recovers from a method that panics.
func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}
