// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"os"

	"utmpd.dev/utmpd/internal/owndir"
)

// owners are who may own RUN_DIR and STATE_DIR, and what is on the way to them.
func owners(runAs string) owndir.Owners {
	if u, err := lookUp(runAs); runAs != "" && err == nil {
		return owndir.Of(u.uid, u.gid)
	}
	return owndir.Of(os.Geteuid(), os.Getegid())
}

// dirFaults returns what is wrong with RUN_DIR and STATE_DIR, as -check reports it. A service
// manager may start utmpd as a user whom it knows.
func dirFaults(runAs, runDir, stateDir string) map[string]error {
	own := owners(runAs)
	own.AnyUser = runAs == ""
	faults := map[string]error{}
	for key, dir := range map[string]string{"RUN_DIR": runDir, "STATE_DIR": stateDir} {
		if err := own.Check(key, dir); err != nil {
			faults[key] = err
		}
	}
	return faults
}

// checkDirs returns an error if RUN_DIR or STATE_DIR is not utmpd's alone.
func (d *daemon) checkDirs() error {
	own := owners(d.cfg.RunAs)
	if err := own.Check("RUN_DIR", d.cfg.RunDir); err != nil {
		return err
	}
	return own.Check("STATE_DIR", d.cfg.StateDir)
}
