package ctl

import "errors"

func downtimeCommand() command {
	return command{
		name:    "downtime",
		summary: "tell when the system was down, for how long, and why",
		about: `It reads the wtmp file and those rotated away, compressed ones too.
T is 2026-07-01, "2026-07-01 12:30", 2026-07-01T12:30:00Z, or a time before now
such as 30d or 12h.`,
		options: []option{
			jsonOption,
			{name: "since", arg: "T", help: "begin there"},
			{name: "until", arg: "T", help: "end there"},
			{name: "f", arg: "FILE", help: "read FILE, and further ones, oldest first, and no others", many: true},
			configOption,
		},
		run: func(call) error { return errors.New("downtime: not written yet") },
	}
}
