// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"errors"
	"fmt"
	"strings"
)

// errNotAssignment is the error for a line that sets nothing.
var errNotAssignment = errors.New("not NAME=value")

// errBlankBefore is the error for NAME =value.
var errBlankBefore = errors.New("a blank before the =; write NAME=value without blanks")

// assignment reads one line: NAME=value, export NAME=value, or a comment or
// blank line, for which it returns "", "", nil. If only the value is faulty, it
// returns the name with the error.
func assignment(line string) (name, value string, err error) {
	s := skipBlanks(line)
	if rest, ok := strings.CutPrefix(s, "export"); ok && startsBlank(rest) {
		s = skipBlanks(rest)
	} else if endsLine(s) {
		return "", "", nil
	}
	name, s, ok := cutName(s)
	if !ok && blankBefore(name) {
		return "", "", errBlankBefore
	}
	if !ok {
		return "", "", errNotAssignment
	}
	value, rest, err := word(s)
	if err != nil {
		return name, "", err
	}
	switch {
	case endsLine(skipBlanks(rest)):
		return name, value, nil
	case value == "":
		return name, "", errors.New("a blank after the =; write NAME=value without blanks")
	}
	return name, "", errors.New("more than one word; quotes hold them together")
}

// endsLine reports whether nothing but a comment follows. As in a shell, a #
// begins a comment only where a word could begin.
func endsLine(s string) bool { return s == "" || s[0] == '#' }

// cutName cuts "NAME=" off s.
func cutName(s string) (name, rest string, ok bool) {
	name, rest, ok = strings.Cut(s, "=")
	for i := range len(name) {
		ok = ok && (letter(name[i]) || i > 0 && digit(name[i]))
	}
	return name, rest, ok && name != ""
}

// blankBefore reports whether what is before the = would be a name, but for blanks at
// its end.
func blankBefore(s string) bool {
	t := strings.TrimRight(s, " \t")
	_, _, ok := cutName(t + "=")
	return ok && t != s
}

// word reads adjacent quoted and unquoted pieces up to a blank outside quotes,
// and returns what follows.
func word(s string) (value, rest string, err error) {
	var b strings.Builder
	for s != "" && !startsBlank(s) {
		switch c := s[0]; c {
		case 0:
			return "", "", errors.New("a NUL character")
		case '\'':
			end := strings.IndexByte(s[1:], '\'')
			if end < 0 {
				return "", "", errors.New("a ' that is not closed in its line")
			}
			b.WriteString(s[1 : 1+end])
			s = s[end+2:]
		case '"':
			if s, err = double(&b, s[1:]); err != nil {
				return "", "", err
			}
		case '\\':
			if len(s) == 1 {
				return "", "", errors.New("a \\ at the end of the line")
			}
			b.WriteByte(s[1])
			s = s[2:]
		case '$', '`':
			return "", "", errExpansion(c)
		case ';', '&', '|', '<', '>', '(', ')':
			return "", "", fmt.Errorf("a %c outside quotes", c)
		default:
			b.WriteByte(c)
			s = s[1:]
		}
	}
	if strings.IndexByte(b.String(), 0) >= 0 {
		return "", "", errors.New("a NUL character")
	}
	return b.String(), s, nil
}

// double reads the rest of a piece in double quotes. There a \ stands for itself
// unless a special character follows.
func double(b *strings.Builder, s string) (rest string, err error) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return s[i+1:], nil
		case '$', '`':
			return "", errExpansion(c)
		case '\\':
			if i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0 {
				i++
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("a \" that is not closed in its line")
}

func errExpansion(c byte) error {
	return fmt.Errorf("a %c, which is not expanded here; single quotes make it plain", c)
}

func skipBlanks(s string) string { return strings.TrimLeft(s, " \t") }

func startsBlank(s string) bool { return s != "" && (s[0] == ' ' || s[0] == '\t') }

func letter(c byte) bool { return c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }
