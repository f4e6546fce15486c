package ctl

import "errors"

func completionCommand() command {
	return command{
		name:    "completion",
		summary: "print what completes utmpctl's command line in a shell",
		about:   "For bash: eval \"$(utmpctl completion bash)\".",
		args:    argument{name: "SHELL", help: "the shell", values: []string{"bash", "zsh", "fish"}, most: 1},
		run:     func(call) error { return errors.New("completion: not written yet") },
	}
}
