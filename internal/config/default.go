// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"cmp"
	"time"

	"utmpd.dev/utmpd/internal/sysfile"
)

const (
	defaultRunDir   = "/run/utmpd"
	defaultStateDir = "/var/lib/utmpd"
)

// Default returns the settings of an empty file, as [Parse] does: paths are
// empty. [Load] fills them in.
func Default() Config {
	return Config{
		Reloadable: Reloadable{
			ScanPeriod:      300 * time.Second,
			MaxFDs:          4096,
			WtmpxUpdateFreq: 60 * time.Second,
			GracePeriod:     time.Second,
			KeepBusyLines:   true,
		},
		BootRecords:     Auto,
		RunLevelRecords: Auto,
		Fixed:           Fixed{Logind: LogindAuto, LogindHosts: true},
	}
}

// withPaths returns c with every empty path replaced by the system's own.
func (c Config) withPaths() Config {
	utmpxFile, wtmpxFile := sysfile.NativePaths()
	c.UtmpxFile = cmp.Or(c.UtmpxFile, utmpxFile)
	c.WtmpxFile = cmp.Or(c.WtmpxFile, wtmpxFile)
	c.RunDir = cmp.Or(c.RunDir, defaultRunDir)
	c.StateDir = cmp.Or(c.StateDir, defaultStateDir)
	c.PipeFile = cmp.Or(c.PipeFile, pipeFile(c.RunDir))
	return c
}
