// SPDX-License-Identifier: BSD-2-Clause

package daemon

// spareFDs are the descriptors that utmpd needs beside one for each process.
const spareFDs = 64

// watchLimit returns how many processes may be watched: MAX_FDS, if the limit of
// open files can be raised that far, and less if not.
func (d *daemon) watchLimit() int {
	got, err := d.on.raiseLimit(d.cfg.MaxFDs + spareFDs)
	if got-spareFDs >= d.cfg.MaxFDs {
		return d.cfg.MaxFDs
	}
	limit := max(got-spareFDs, 1)
	d.log.Warn("the limit of open files is below MAX_FDS: sessions beyond it are checked only at each scan",
		"MAX_FDS", d.cfg.MaxFDs, "watched at most", limit, "error", err)
	return limit
}
