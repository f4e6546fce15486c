// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/moments"
)

// command is one command of utmpctl. The parser, the help and the completions are made
// from it.
type command struct {
	name     string
	summary  string   // what it does, for lists and help
	about    string   // further text for its help
	options  []option // in the order in which they are shown
	args     argument
	apart    [][2]string // options that do not go together: one would be ignored
	examples []string    // what to type after "utmpctl ", each with "# " and what it does
	run      func(call) error
}

// option is one option of a command.
type option struct {
	name  string
	short string // a second, shorter name; "" for none
	arg   string // placeholder of its value; "" for an option without a value
	help  string
	many  bool     // it may be repeated
	among []string // the known values; nil means any
	also  []string // more values, which are not shown
	blank bool     // an empty value is one
}

// argument describes the arguments after the options.
type argument struct {
	name   string // as shown in the usage; "" for none
	help   string
	values []string // the allowed values; nil means any
	least  int
	most   int
}

// call is one invocation of a command.
type call struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	on             machine
	set            map[string]bool     // options without a value
	values         map[string][]string // options with a value
	args           []string
}

// value returns the last value of an option, or "" if it was not given.
func (c call) value(name string) string {
	if v := c.values[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// Options that several commands share.
var (
	configOption = option{name: "config", arg: "FILE", help: "read FILE instead of " + config.DefaultFile}
	dryRunOption = option{name: "n", help: "print what would be written, and write nothing"}
	jsonOption   = option{name: "json", help: "print JSON"}
	sinceOption  = option{name: "since", short: "s", arg: "T", help: "ignore everything before T"}
	untilOption  = option{name: "until", short: "t", arg: "T", help: "ignore everything after T"}
)

// commands returns all commands, in the order of the help.
func commands() []command {
	return []command{whoCommand(), lastCommand(), statusCommand(), metricsCommand(), downtimeCommand(), reportCommand(), eventsCommand(),
		checkCommand(), repairCommand(), dumpCommand(), undumpCommand(),
		loginCommand(), logoutCommand(), pamCommand(), bootCommand(), shutdownCommand(),
		completionCommand(), helpCommand()}
}

func find(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

// errHelp is the error of parse if help was requested.
var errHelp = errors.New("help")

// parse parses the arguments after the command's name.
func (c command) parse(args []string) (call, error) {
	in := call{set: make(map[string]bool), values: make(map[string][]string)}
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	for _, o := range c.options {
		o.register(set, &in)
	}
	for len(args) > 0 {
		err := set.Parse(args)
		if o, v, ok := c.attached(err); ok {
			if err := o.take(&in, v); err != nil {
				return in, fmt.Errorf("-%s: %w", o.name, err)
			}
			args = set.Args()
			continue
		}
		if err != nil {
			return in, c.misread(err)
		}
		rest := set.Args()
		if n := len(args) - len(rest); len(rest) == 0 || n > 0 && args[n-1] == "--" {
			in.args = append(in.args, rest...)
			break
		}
		// Options may follow the first argument, as in getopt(3) of glibc.
		in.args, args = append(in.args, rest[0]), rest[1:]
	}
	if err := c.check(in); err != nil {
		return in, err
	}
	for _, o := range c.apart {
		if in.set[o[0]] && in.set[o[1]] {
			return in, fmt.Errorf("-%s and -%s do not go together", o[0], o[1])
		}
	}
	return in, c.args.check(in.args)
}

// check reports values that are empty, as a script's variable that is not set, that are none
// of the known ones, and times that were not quoted.
func (c command) check(in call) error {
	if slices.Contains(in.args, "") {
		return errors.New("an argument is empty: is a variable not set?")
	}
	for _, o := range c.options {
		for _, v := range in.values[o.name] {
			if v == "" && !o.blank {
				return o.empty()
			}
			if o.among != nil && !slices.Contains(o.among, v) && !slices.Contains(o.also, v) {
				return fmt.Errorf("-%s: %w", o.name, noneOf(v, o.among))
			}
			if o.arg != "T" {
				continue
			}
			if more := moments.Continued(v, in.args); more != "" {
				return fmt.Errorf("%q is not part of -%s; did you mean -%[2]s \"%s %[1]s\"?", more, o.name, v)
			}
			if near := nearestTime(v); near != "" {
				return fmt.Errorf("-%s: %q is not a time; did you mean %q?", o.name, v, near)
			}
		}
	}
	return nil
}

// nearestTime returns the time that was probably meant by a text that is none; "" if it is one,
// or nothing is near.
func nearestTime(text string) string {
	if _, err := moments.Parse(text, time.Now()); err == nil {
		return ""
	}
	words := strings.Fields(text)
	for i, word := range words {
		if near := config.Nearest(strings.ToLower(word), moments.Words); near != "" {
			words[i] = near
		}
	}
	near := strings.Join(words, " ")
	if _, err := moments.Parse(near, time.Now()); err != nil {
		return ""
	}
	return near
}

// empty is the error of an option whose value is empty.
func (o option) empty() error {
	return fmt.Errorf("-%s: the value is empty: is a variable not set? %s is meant", o.name, o.meaning())
}

// meaning says what the value of an option is.
func (o option) meaning() string {
	if o.arg == "T" {
		return `a time, such as yesterday, 2h or "2026-07-01 12:30"`
	}
	return o.arg
}

// noneOf is the error of a value that is not among the known ones.
func noneOf(v string, known []string) error {
	return fmt.Errorf("%q is none of %s%s", v, strings.Join(known, ", "), meant("", v, known))
}

// attached reports whether what flag did not take is an option of one letter and its value,
// as in `last -n10` and `last -10`, which is -n, too.
func (c command) attached(err error) (o option, v string, ok bool) {
	if err == nil {
		return o, "", false
	}
	text, unknown := strings.CutPrefix(err.Error(), notDefined)
	if !unknown || text == "" {
		return o, "", false
	}
	letter, v := text[:1], text[1:]
	switch {
	case strings.Trim(text, "0123456789") == "":
		letter, v = "n", text
	case strings.Trim(v[:min(1, len(v))], "0123456789./") != "" && (c.near(text) != "" || len(having(text)) > 0):
		return o, "", false
	}
	for _, o := range c.options {
		if o.arg != "" && v != "" && (o.name == letter || o.short == letter) {
			return o, v, true
		}
	}
	return o, "", false
}

// notDefined is how flag's error of an unknown option begins.
const notDefined = "flag provided but not defined: -"

// misread returns the error of an option that flag did not take, with the name that was
// probably meant.
func (c command) misread(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return errHelp
	}
	if name, missing := strings.CutPrefix(err.Error(), "flag needs an argument: -"); missing {
		i := slices.IndexFunc(c.options, func(o option) bool { return o.name == name || o.short == name })
		return fmt.Errorf("-%s needs a value: %s", name, c.options[i].meaning())
	}
	name, unknown := strings.CutPrefix(err.Error(), notDefined)
	if !unknown {
		return refused(err)
	}
	if near := c.near(name); near != "" {
		return fmt.Errorf("no option -%s%s", name, near)
	}
	if others := having(name); len(others) > 0 && len(others) <= 3 {
		return fmt.Errorf("no option -%s, which is one of %s", name, strings.Join(others, " and "))
	}
	return fmt.Errorf("no option -%s", name)
}

// refused returns flag's error of a value that an option does not take as those of this program
// read. The value may hold anything, and is quoted there.
func refused(err error) error {
	text := err.Error()
	for _, begin := range []string{"invalid value ", "invalid boolean value "} {
		rest, is := strings.CutPrefix(text, begin)
		quoted, bad := strconv.QuotedPrefix(rest)
		if is && bad == nil {
			rest = strings.TrimPrefix(rest[len(quoted):], " for ")
			return errors.New(strings.TrimPrefix(rest, "flag "))
		}
	}
	return err
}

// having returns the commands that have an option of that name.
func having(name string) (names []string) {
	for _, c := range commands() {
		if slices.ContainsFunc(c.options, func(o option) bool { return o.name == name }) {
			names = append(names, c.name)
		}
	}
	return names
}

// near asks for the option that was probably meant by a name.
func (c command) near(name string) string {
	var names []string
	for _, o := range c.options {
		names = append(names, o.name)
	}
	return meant("-", name, names)
}

// meant returns a question for the name that was probably meant, or "": those that begin
// with the word, if they are few, or the nearest.
func meant(prefix, word string, names []string) string {
	word = strings.ToLower(word) // as all names are
	longer := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return word == "" || !strings.HasPrefix(name, word) })
	if near := config.Nearest(word, names); len(longer) == 0 && near != "" {
		longer = []string{near}
	}
	if len(longer) == 0 || len(longer) > 3 {
		return ""
	}
	return "; did you mean " + prefix + strings.Join(longer, " or "+prefix) + "?"
}

// register has set take the option and note it in the call.
func (o option) register(set *flag.FlagSet, in *call) {
	for _, name := range []string{o.name, o.short} {
		switch {
		case name == "":
		case o.arg == "":
			set.BoolFunc(name, "", func(v string) error {
				if v != "true" {
					return errors.New("takes no value")
				}
				in.set[o.name] = true
				return nil
			})
		default:
			set.Func(name, "", func(v string) error { return o.take(in, v) })
		}
	}
}

// take notes a value of the option in the call.
func (o option) take(in *call, v string) error {
	if len(in.values[o.name]) > 0 && !o.many {
		return errors.New("given twice")
	}
	in.values[o.name] = append(in.values[o.name], v)
	return nil
}

// check reports arguments that are too few, too many or unknown.
func (a argument) check(args []string) error {
	switch {
	case len(args) > a.most:
		return fmt.Errorf("unexpected argument %q", args[a.most])
	case len(args) < a.least:
		return fmt.Errorf("no %s given", a.help)
	case a.values != nil && len(args) > 0 && !slices.Contains(a.values, args[0]):
		return noneOf(args[0], a.values)
	}
	return nil
}
