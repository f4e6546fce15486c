// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"fmt"
	"strings"
)

// longOption is an option by its long name. A short one stands for the same.
type longOption struct {
	name  string
	arg   bool // it takes an argument
	short rune
}

// errStop ends the reading of options: the rest is not looked at.
var errStop = fmt.Errorf("stop")

// options reads a command line as getopt_long(3) does: short options may be joined, long
// ones abbreviated, and options may follow operands unless POSIXLY_CORRECT is set. It
// calls each for every option, in order, with the argument of those that take one, and
// returns the operands.
type options struct {
	short string // the letters; one that takes an argument is followed by a colon
	long  []longOption
	posix bool
	each  func(option rune, arg string) error
}

func (o *options) parse(args []string) (operands []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return append(operands, args...), nil
		case strings.HasPrefix(arg, "--"):
			args, err = o.parseLong(arg[2:], args)
		case strings.HasPrefix(arg, "-") && arg != "-":
			args, err = o.parseShort(arg[1:], args)
		case o.posix:
			return append(append(operands, arg), args...), nil
		default:
			operands = append(operands, arg)
		}
		if err != nil {
			return operands, err
		}
	}
	return operands, nil
}

// parseShort takes letters, and the argument of the last one from rest if it is not in
// the same word. It returns what is left of rest.
func (o *options) parseShort(letters string, rest []string) ([]string, error) {
	for i := range len(letters) {
		c := letters[i]
		at := strings.IndexByte(o.short, c)
		if c == ':' || at < 0 {
			return rest, usageError("invalid option -- '" + string([]byte{c}) + "'")
		}
		if !strings.HasPrefix(o.short[at+1:], ":") {
			if err := o.each(rune(c), ""); err != nil {
				return rest, err
			}
			continue
		}
		if i+1 < len(letters) {
			return rest, o.each(rune(c), letters[i+1:])
		}
		if len(rest) == 0 {
			return rest, usageError("option requires an argument -- '" + string([]byte{c}) + "'")
		}
		return rest[1:], o.each(rune(c), rest[0])
	}
	return rest, nil
}

func (o *options) parseLong(word string, rest []string) ([]string, error) {
	name, value, hasValue := strings.Cut(word, "=")
	found, err := o.find(name, word)
	if err != nil {
		return rest, err
	}
	switch {
	case !found.arg && hasValue:
		return rest, usageError("option '--" + found.name + "' doesn't allow an argument")
	case !found.arg || hasValue:
		return rest, o.each(found.short, value)
	case len(rest) == 0:
		return rest, usageError("option '--" + found.name + "' requires an argument")
	}
	return rest[1:], o.each(found.short, rest[0])
}

// find returns the option of that name, or the only one that begins with it.
func (o *options) find(name, word string) (longOption, error) {
	var begin []longOption
	for _, l := range o.long {
		if l.name == name {
			return l, nil
		}
		if strings.HasPrefix(l.name, name) {
			begin = append(begin, l)
		}
	}
	switch len(begin) {
	case 0:
		return longOption{}, usageError("unrecognized option '--" + word + "'")
	case 1:
		return begin[0], nil
	}
	var names strings.Builder
	for _, l := range begin {
		names.WriteString(" '--" + l.name + "'")
	}
	return longOption{}, usageError("option '--" + word + "' is ambiguous; possibilities:" + names.String())
}
