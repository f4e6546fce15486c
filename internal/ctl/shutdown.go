package ctl

import "errors"

func shutdownCommand() command {
	return command{
		name:    "shutdown",
		summary: "record that the system goes down under control",
		about:   "Run it at the end of every boot, when utmpd has ended.",
		options: []option{dryRunOption, jsonOption, configOption},
		run:     func(call) error { return errors.New("shutdown: not written yet") },
	}
}
