// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"log/slog"
	"slices"
	"strings"
	"time"
)

// slow is how long a room may be at work without a pause before utmpd says so. A pass over
// the processes of a large machine takes a second, and a file of a million records as long.
const slow = 10 * time.Second

// pace shows whether the rooms that read get on. It is looked at whenever the status is
// set: at each event, and at each heartbeat.
type pace struct {
	rooms []paced
	late  string // as last looked at
}

// paced is a room that reads.
type paced struct {
	what string
	busy func() time.Time // since when it has been at work; zero if it waits
}

// look returns what takes longer than it may, and whether that has changed.
func (p *pace) look() (late string, changed bool) {
	var all []string
	for _, r := range p.rooms {
		if since := r.busy(); !since.IsZero() && time.Since(since) > slow {
			all = append(all, r.what+" since "+since.Format(time.RFC3339))
		}
	}
	late = strings.Join(all, ", ")
	changed = late != p.late
	p.late = late
	return late, changed
}

// checkPace returns which rooms the system does not answer. It logs that, and that they go
// on.
func (d *daemon) checkPace() string {
	late, changed := d.pace.look()
	switch {
	case !changed:
	case late == "":
		d.reading.toggles.Log(slog.LevelInfo, "answers", "the system answers again")
	default:
		d.reading.toggles.Log(slog.LevelWarn, "late", "the system does not answer", "waiting", late)
	}
	return late
}

func joinNonEmpty(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), ", ")
}
