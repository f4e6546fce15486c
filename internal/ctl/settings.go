// SPDX-License-Identifier: BSD-2-Clause

package ctl

import "utmpd.dev/utmpd/internal/config"

// settings reads the configuration as utmpd does: it prints faults to standard error and
// uses the defaults instead.
func (c call) settings() (config.Config, error) {
	cfg, warnings, err := config.Load(c.value("config"))
	if err != nil {
		return cfg, err
	}
	for _, w := range warnings {
		tell(c.stderr, w)
	}
	return cfg, nil
}
