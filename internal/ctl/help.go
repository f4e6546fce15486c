// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"utmpd.dev/utmpd/internal/config"
)

func helpCommand() command {
	return command{
		name:    "help",
		summary: "print how to use a command",
		about:   "Without COMMAND it lists the commands.",
		args:    argument{name: "[COMMAND]", help: "the command", most: 1},
		examples: []string{
			"help       # all commands",
			"help last  # one; the same as: utmpctl last -h",
		},
		run: func(in call) error {
			if len(in.args) == 0 {
				_, err := fmt.Fprint(in.stdout, overview())
				return err
			}
			c, ok := find(in.args[0])
			if !ok {
				return noCommand(in.args[0])
			}
			_, err := fmt.Fprint(in.stdout, c.help())
			return err
		},
	}
}

// overview returns the help of utmpctl itself.
func overview() string {
	var b strings.Builder
	b.WriteString("usage: utmpctl COMMAND [options]\n       utmpctl -version\n\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %s\t%s\n", c.name, c.summary)
	}
	w.Flush()
	fmt.Fprintf(&b, "\nutmpctl help COMMAND describes a command. utmpctl and utmpd share the settings\nin %s. See utmpctl(8).\n", config.DefaultFile)
	return b.String()
}

// usage returns the usage line, folded if it is long.
func (c command) usage() string {
	b := "usage: utmpctl " + c.name
	column := len(b)
	add := func(s string) {
		if column+1+len(s) > 78 {
			b += "\n      "
			column = 6
		}
		b += " " + s
		column += 1 + len(s)
	}
	for _, o := range c.options {
		add("[" + o.String() + "]" + map[bool]string{true: "..."}[o.many])
	}
	if c.args.name != "" {
		add(c.args.name)
	}
	return b + "\n"
}

func (o option) String() string {
	if o.arg == "" {
		return "-" + o.name
	}
	return "-" + o.name + " " + o.arg
}

// names returns all names of the option, the shortest first.
func (o option) names() string {
	if o.short == "" {
		return o.String()
	}
	return "-" + o.short + ", " + o.String()
}

// help returns what `utmpctl help COMMAND` prints.
func (c command) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s: %s.\n%s\n", c.usage(), c.name, c.summary, c.about)
	if len(c.options) > 0 {
		b.WriteString("\n")
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, o := range c.options {
		fmt.Fprintf(w, "  %s\t%s\n", o.names(), o.help)
	}
	w.Flush()
	if len(c.examples) > 0 {
		b.WriteString("\nexamples:\n")
	}
	for _, e := range c.examples {
		fmt.Fprintf(&b, "  utmpctl %s\n", e)
	}
	return b.String()
}
