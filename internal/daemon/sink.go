// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"time"

	"utmpd.dev/utmpd/internal/table"
)

// sink takes what the table reports.
type sink interface {
	report(r table.Report)
	close()
}

// report hands reports on an event at that time to every sink.
func (d *daemon) report(at time.Time, reports []table.Report) {
	for _, r := range reports {
		for _, s := range d.sinks {
			s.report(r)
		}
		if r.Kind == table.Ended {
			d.lastClean = at
		}
	}
}
