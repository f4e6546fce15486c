package ctl

import "errors"

func bootCommand() command {
	return command{
		name:    "boot",
		summary: "record how the last boot ended, and that this one began",
		about: `Run it early in every boot: when /var/log is there, and before anything
writes the record of this boot or starts utmpd. It may be run again.`,
		options: []option{dryRunOption, jsonOption, configOption},
		run:     func(call) error { return errors.New("boot: not written yet") },
	}
}
