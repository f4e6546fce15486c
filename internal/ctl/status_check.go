// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"utmpd.dev/utmpd/internal/status"
)

// The exit status of a plug-in of Nagios or Icinga.
//
// Source: the Nagios Plugin Development Guidelines.
const (
	checkOK       = 0
	checkWarning  = 1
	checkCritical = 2
	checkUnknown  = 3
)

var checkNames = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// checkStatus is the command with -check.
func checkStatus(in call) error {
	cfg, err := in.settings()
	if err != nil {
		return notKnown(in.stdout, in.screen(), err)
	}
	h, err := in.health(cfg.RunDir)
	if err != nil {
		return notKnown(in.stdout, in.screen(), err)
	}
	return h.plugin(in.stdout, in.screen())
}

// plugin prints a status in one line with performance data, as a plug-in of Nagios does, and
// returns the exit status of one.
func (h *health) plugin(w io.Writer, s screen) error {
	code, text := checkOK, fmt.Sprintf("%s, %d cleaned", count(h.Sessions, "session", "sessions"), h.Cleaned)
	switch {
	case h.down != "":
		code, text = checkCritical, h.down
	case len(h.troubles) > 0:
		var all []string
		for _, t := range h.troubles {
			all = append(all, t.What)
		}
		code, text = checkWarning, strings.Join(all, "; ")
	case h.State == status.Starting:
		text = "utmpd is starting"
	}
	line := "UTMPD " + checkNames[code] + " - " + strings.ReplaceAll(s.text(text), "|", "/")
	if h.down == "" {
		line += fmt.Sprintf(" | sessions=%d unwatched=%d dying=%d owed=%d cleaned=%dc", h.Sessions, h.Unwatched, h.Dying, h.LogoutsOwed, h.Cleaned)
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return err
	}
	if code != checkOK {
		return exitStatus(code)
	}
	return nil
}

// isPlugin reports whether the arguments, right or wrong, ask for [checkStatus]: to a plug-in's
// caller the exit status of a usage error means that utmpd is down.
func isPlugin(args []string) bool {
	return len(args) > 0 && args[0] == "status" &&
		slices.ContainsFunc(args, func(a string) bool {
			name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
			return name == "check"
		})
}

// notKnown prints that the status cannot be known.
func notKnown(w io.Writer, s screen, err error) exitStatus {
	fmt.Fprintln(w, "UTMPD UNKNOWN - "+strings.ReplaceAll(s.text(err.Error()), "|", "/"))
	return exitStatus(checkUnknown)
}
