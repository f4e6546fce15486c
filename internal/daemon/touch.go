// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/toucher"
)

// distant is the wtmpx file whose access time the toucher sets.
type distant struct {
	*toucher.Remote
	log *recfile.Log
}

func (d distant) ReadOne() error { return d.log.ReadOne() }

// separate hands the right to set the access time to a process of its own, which also
// opens the files that come later.
func (d *daemon) separate() {
	r, openers, err := giveUpFowner(d.cfg.UtmpxFile, d.cfg.WtmpxFile, !d.flags.dryRun)
	if err != nil {
		d.log.Warn("no process to set the access time of wtmpx: the time of a crash is known from the heartbeat's note alone", "error", err)
	}
	d.toucher = r
	if openers != nil {
		d.helped = &helped{d.on.files, openers}
		d.on.files = d.helped
	}
}

// touched is what the heartbeat sets the access time of.
func (d *daemon) touched() heartbeat.Toucher {
	if d.toucher == nil {
		return d.wtmpx
	}
	return distant{d.toucher, d.wtmpx}
}
