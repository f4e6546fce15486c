// SPDX-License-Identifier: BSD-2-Clause

// Package config reads /etc/default/utmpd, lines of NAME=value as a shell would
// write them. A bad line never stops the daemon: it is a [Warning] with file and
// line, and the key keeps its default.
package config

import (
	"fmt"
	"strconv"
	"time"
)

// DefaultFile is where the settings are looked for if no file is named.
const DefaultFile = "/etc/default/utmpd"

// What "" stands for in RUN_DIR and STATE_DIR.
const (
	DefaultRunDir   = "/run/utmpd"
	DefaultStateDir = "/var/lib/utmpd"
)

// BootRecords says who writes the records of boots and shutdowns.
type BootRecords string

// The values of BOOT_RECORDS.
const (
	Auto    BootRecords = "auto" // find out whether the system does; if not, utmpctl
	Ours    BootRecords = "yes"  // utmpctl
	Systems BootRecords = "no"   // the system
)

// Limits of the values. Periods are whole seconds.
const (
	MaxPeriod = 7 * 24 * time.Hour // of SCAN_PERIOD and WTMPX_UPDATE_FREQ
	MaxGrace  = time.Hour          // of GRACE_PERIOD
	MaxMaxFDs = 1 << 20            // of MAX_FDS
)

// Config is what the file sets. A path is absolute and clean, or "" for the
// system's own.
type Config struct {
	ScanPeriod      time.Duration // SCAN_PERIOD: between two readings of the utmpx file; 1 s to MaxPeriod
	MaxFDs          int           // MAX_FDS: the most processes watched; 1 to MaxMaxFDs
	WtmpxUpdateFreq time.Duration // WTMPX_UPDATE_FREQ: between two heartbeats; 1 s to MaxPeriod
	GracePeriod     time.Duration // GRACE_PERIOD: from a death to the cleaning, fractions allowed; 0 to MaxGrace
	KeepBusyLines   bool          // KEEP_BUSY_LINES: keep a record while its terminal's session leader lives
	UtmpxFile       string        // UTMPX_FILE
	WtmpxFile       string        // WTMPX_FILE
	PipeFile        string        // PIPE_FILE
	RunDir          string        // RUN_DIR
	StateDir        string        // STATE_DIR
	BootRecords     BootRecords   // BOOT_RECORDS: whether utmpctl writes the records of boots and shutdowns
	RunAs           string        // RUN_AS: the user to become, "" to stay who started it
}

// Default returns the settings of an empty file.
func Default() Config {
	return Config{
		ScanPeriod:      300 * time.Second,
		MaxFDs:          4096,
		WtmpxUpdateFreq: 60 * time.Second,
		GracePeriod:     time.Second,
		KeepBusyLines:   true,
		BootRecords:     Auto,
	}
}

// String returns the settings as a file that [Parse] reads back to the same
// ones without a warning: each key once, in the order of the manual page.
func (c Config) String() string {
	var b []byte
	for _, k := range keys {
		b = append(b, k.name...)
		b = append(b, '=')
		b = append(b, quote(k.get(&c))...)
		b = append(b, '\n')
	}
	return string(b)
}

// Warning tells what is wrong in a line, and what counts in its place.
type Warning struct {
	File string
	Line int // from 1
	Text string
}

// String returns "FILE:LINE: text" without control characters.
func (w Warning) String() string {
	return fmt.Sprintf("%s:%d: %s", printable(w.File), w.Line, printable(w.Text))
}

// printable returns s if it can be shown as it is, and quoted as in Go if not.
func printable(s string) string {
	for _, r := range s {
		// An invalid byte ranges as U+FFFD, which is quoted too.
		if r == '\uFFFD' || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
