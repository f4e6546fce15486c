// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"strings"
)

func completionCommand() command {
	return command{
		name:    "completion",
		summary: "print a shell completion script for utmpctl",
		about:   "It completes commands, options, the values of options, and file names.",
		args:    argument{name: "bash|zsh|fish", help: "shell", values: []string{"bash", "zsh", "fish"}, least: 1, most: 1},
		examples: []string{
			"completion bash >/etc/bash_completion.d/utmpctl",
			"completion fish >~/.config/fish/completions/utmpctl.fish",
		},
		run: func(in call) error {
			write := map[string]func() string{"bash": bash, "zsh": zsh, "fish": fish}[in.args[0]]
			_, err := fmt.Fprint(in.stdout, write())
			return err
		},
	}
}

// words returns the possible values of the argument.
func (c command) words() []string {
	if c.name != "help" {
		return c.args.values
	}
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// takesFiles reports whether the arguments are files.
func (c command) takesFiles() bool { return strings.Contains(c.args.name, "FILE") }

// quoted puts a text in single quotes for any of the three shells.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func bash() string {
	var b strings.Builder
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	fmt.Fprintf(&b, `# bash completion of utmpctl, made by "utmpctl completion bash"
_utmpctl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words= files=
	COMPREPLY=()
	word=${word//\\/}
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W %s -- "$word"))
		return
	fi
	case ${COMP_WORDS[1]}:${before/#--/-} in
`, quoted(strings.Join(append(names, "-version"), " ")))
	for _, c := range commands() {
		for _, o := range c.options {
			o.bash(&b, c.name)
		}
	}
	b.WriteString("\tesac\n\tcase ${COMP_WORDS[1]} in\n")
	for _, c := range commands() {
		words := c.words()
		for _, o := range c.options {
			words = append(words, "-"+o.name)
		}
		fmt.Fprintf(&b, "\t%s) words=%s%s ;;\n", c.name, quoted(strings.Join(words, " ")), map[bool]string{true: " files=-f"}[c.takesFiles()])
	}
	b.WriteString("\tesac\n\t[[ $word == --* ]] && words=\" $words\" && words=${words// -/ --}\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" $files -- \"$word\")\n}\n" +
		"complete -o filenames -F _utmpctl utmpctl\n")
	return b.String()
}

// bash writes what follows the option.
func (o option) bash(b *strings.Builder, command string) {
	if o.arg == "" {
		return
	}
	when := command + ":-" + o.name
	if o.short != "" {
		when += "|" + command + ":-" + o.short
	}
	reply := ""
	switch {
	case o.among != nil:
		reply = "mapfile -t COMPREPLY < <(compgen -W " + quoted(strings.Join(o.among, " ")) + " -- \"$word\"); "
	case o.arg == "FILE":
		reply = "mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); "
	}
	fmt.Fprintf(b, "\t%s) %sreturn ;;\n", when, reply)
}

func zsh() string {
	var b strings.Builder
	b.WriteString("#compdef utmpctl\n# zsh completion of utmpctl, made by \"utmpctl completion zsh\"\n\n_utmpctl() {\n" +
		"\tlocal -a commands\n\tcommands=(\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "\t\t%s\n", quoted(c.name+":"+c.summary))
	}
	b.WriteString("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tcase $words[2] in\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "\t%s)\n\t\tshift words\n\t\t(( CURRENT-- ))\n\t\t_arguments", c.name)
		for _, o := range c.options {
			for _, name := range o.each() {
				fmt.Fprintf(&b, " \\\n\t\t\t%s", quoted(zshOption(o, name)))
			}
		}
		if c.takesFiles() {
			fmt.Fprintf(&b, " \\\n\t\t\t%s", quoted("*:"+c.args.help+":_files"))
		}
		if words := c.words(); words != nil {
			fmt.Fprintf(&b, " \\\n\t\t\t%s", quoted("1:"+c.args.help+":("+strings.Join(words, " ")+")"))
		}
		b.WriteString("\n\t\t;;\n")
	}
	b.WriteString("\tesac\n}\n\nif [ \"$funcstack[1]\" = _utmpctl ]; then\n\t_utmpctl \"$@\"\nelse\n\tcompdef _utmpctl utmpctl\nfi\n")
	return b.String()
}

// each returns the option's names.
func (o option) each() []string {
	if o.short == "" {
		return []string{o.name}
	}
	return []string{o.name, o.short}
}

func zshOption(o option, name string) string {
	help := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(o.help)
	s := fmt.Sprintf("-%s[%s]", name, help)
	switch {
	case o.many:
		s = "*" + s
	case o.short != "":
		s = "(-" + o.name + " -" + o.short + ")" + s
	}
	switch {
	case o.arg == "":
	case o.among != nil:
		s += ":" + o.arg + ":(" + strings.Join(o.among, " ") + ")"
	case o.arg == "FILE":
		s += ":file:_files"
	default:
		s += ":" + o.arg + ": "
	}
	return s
}

func fish() string {
	var b strings.Builder
	b.WriteString("# fish completion of utmpctl, made by \"utmpctl completion fish\"\ncomplete -c utmpctl -f\n" +
		"complete -c utmpctl -n __fish_use_subcommand -o version -d 'print the version'\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "complete -c utmpctl -n __fish_use_subcommand -a %s -d %s\n", c.name, quoted(c.summary))
	}
	for _, c := range commands() {
		when := quoted("__fish_seen_subcommand_from " + c.name)
		for _, o := range c.options {
			fmt.Fprintf(&b, "complete -c utmpctl -n %s%s%s -d %s\n", when, o.fishNames(), o.fishValue(), quoted(o.help))
		}
		if c.takesFiles() {
			fmt.Fprintf(&b, "complete -c utmpctl -n %s -F\n", when)
		}
		if words := c.words(); words != nil {
			fmt.Fprintf(&b, "complete -c utmpctl -n %s -a %s\n", when, quoted(strings.Join(words, " ")))
		}
	}
	return b.String()
}

// fishNames returns the option's names: with -s, fish would take several letters for several
// options.
func (o option) fishNames() (names string) {
	for _, name := range o.each() {
		names += " -o " + name
	}
	return names
}

// fishValue says what follows the option.
func (o option) fishValue() string {
	switch {
	case o.arg == "":
		return ""
	case o.among != nil:
		return " -x -a " + quoted(strings.Join(o.among, " "))
	case o.arg == "FILE":
		return " -r -F"
	}
	return " -x"
}
