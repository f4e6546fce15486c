// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/utmpfile"
)

// settings reads the configuration as utmpd does: a fault is told, and the
// default counts. Paths that it leaves to the system are filled in.
func (c call) settings() (config.Config, error) {
	cfg, warnings, err := config.Load(c.value("config"))
	if err != nil {
		return cfg, err
	}
	for _, w := range warnings {
		tell(c.stderr, w)
	}
	file, log := utmpfile.NativePaths()
	cfg.UtmpxFile = cmp.Or(cfg.UtmpxFile, file)
	cfg.WtmpxFile = cmp.Or(cfg.WtmpxFile, log)
	cfg.StateDir = cmp.Or(cfg.StateDir, config.DefaultStateDir)
	return cfg, nil
}
