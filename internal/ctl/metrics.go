// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/metrics"
)

func metricsCommand() command {
	return command{
		name:    "metrics",
		summary: "print the metrics of utmpd, for Prometheus",
		about: `It prints RUN_DIR/metrics, which node_exporter's textfile collector reads by
itself. -full adds what utmpd keeps out of that file, or does not look for:
sessions by user, ghosts, and sessions of logind that have ended.`,
		options: []option{
			{name: "full", help: "add sessions by user, and ghosts"},
			configOption,
		},
		examples: []string{
			"metrics | grep sessions",
			"metrics -full            # as root, who sees all processes",
		},
		run: printMetrics,
	}
}

func printMetrics(in call) error {
	cfg, err := in.settings()
	if err != nil {
		return err
	}
	name := filepath.Join(cfg.RunDir, metrics.File)
	text, err := atomicfile.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("utmpd has not run since the boot: there is no %s", name)
	}
	if _, wrote := in.stdout.Write(text); wrote != nil || !in.set["full"] {
		return errors.Join(err, wrote)
	}
	more, unread := in.attended()
	_, wrote := in.stdout.Write(more)
	return errors.Join(err, unread, wrote)
}

// attended returns metrics of who is on.
func (c call) attended() ([]byte, error) {
	a := newAttendance(c)
	if err := a.read(); err != nil {
		return nil, err
	}
	a.assess()
	a.addLogins()
	shown := screen{unicode: true} // it may be read on a terminal, too
	users := map[string]int{}
	ghosts, ended := 0, 0
	for _, p := range a.all {
		switch {
		case !p.ghost():
			users[shown.text(p.user)]++
		case p.record != nil:
			ghosts++
		default:
			ended++
		}
	}
	var t metrics.Text
	t.Family("utmpctl_user_sessions", metrics.Gauge, "Sessions that live, or may live, by user.")
	for _, user := range slices.Sorted(maps.Keys(users)) {
		t.Value("utmpctl_user_sessions", float64(users[user]), "user", user)
	}
	t.One("utmpctl_ghost_records", metrics.Gauge, "Records of sessions that have ended.", float64(ghosts))
	t.One("utmpctl_logind_ghosts", metrics.Gauge, "Sessions of logind that nobody leads any more.", float64(ended))
	return t.Bytes(), a.trouble
}
