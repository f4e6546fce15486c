// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// sink takes reports. It belongs to the goroutine of loop.
type sink interface {
	report(r session.Report)
	close()
}

// report hands the reports on an event of that time to every sink.
func (d *daemon) report(at time.Time, reports []session.Report) {
	for _, r := range reports {
		for _, s := range d.sinks {
			s.report(r)
		}
		switch r.(type) {
		case session.Ended:
			d.lastClean = at
		case session.WouldEnd:
			d.wouldClean++
		}
	}
}
