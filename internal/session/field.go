// SPDX-License-Identifier: BSD-2-Clause

package session

import (
	"strings"
	"unicode"
)

// FieldText cuts a text to the width of a record's field, in bytes and at a character, and
// replaces what would be no part of a name on a terminal: it may come from another machine.
func FieldText(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, text)
	for len(text) > width {
		cut := width
		for cut > 0 && text[cut]&0xc0 == 0x80 { // not within a character
			cut--
		}
		text = text[:cut]
	}
	return text
}

// LineID returns the ut_id of a line: without "tty", its last four bytes. Init, getty and sshd
// use the same.
func LineID(line string) string {
	name := strings.TrimPrefix(line, "tty")
	return name[max(0, len(name)-4):]
}
