// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"errors"
	"fmt"
	"strings"
)

// errNotAssignment is the error of a line that sets nothing.
var errNotAssignment = errors.New("not NAME=value")

// assignment reads one line: a comment or a blank line ("", "", nil), NAME=value
// or export NAME=value. Where the name could be read and the value could not,
// it returns the name with the error.
func assignment(line string) (name, value string, err error) {
	s := strings.TrimLeft(line, " \t")
	if rest, ok := strings.CutPrefix(s, "export"); ok && rest != "" && blank(rest[0]) {
		s = strings.TrimLeft(rest, " \t")
	} else if s == "" || s[0] == '#' {
		return "", "", nil
	}
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z' ||
		n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n == 0 || n == len(s) || s[n] != '=' {
		return "", "", errNotAssignment
	}
	name = s[:n]
	value, rest, err := word(s[n+1:])
	if err != nil {
		return name, "", err
	}
	// As in a shell, a # is a comment only where a word could begin.
	if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] != '#' {
		if value == "" {
			return name, "", errors.New("a blank after the =")
		}
		return name, "", errors.New("more than one word; quotes hold them together")
	}
	return name, value, nil
}

// word reads adjacent quoted and unquoted pieces up to a blank that is in none
// of them, and returns what follows.
func word(s string) (value, rest string, err error) {
	var b strings.Builder
	for s != "" && !blank(s[0]) {
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

// double reads the rest of a piece in double quotes, in which a \ is one unless
// it stands before a character that would mean something.
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

// quote writes v so that word, and a shell, read it back.
func quote(v string) string {
	if strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-@:+,") == "" {
		return v
	}
	return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
}

func blank(c byte) bool { return c == ' ' || c == '\t' }
