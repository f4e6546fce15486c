// SPDX-License-Identifier: BSD-2-Clause

// Package config reads /etc/default/utmpd: lines of NAME=value, quoted as in a
// shell. A bad line never stops the daemon: it becomes a [Warning] with file and
// line, and the key keeps its default.
package config

import (
	"fmt"
	"strconv"
	"time"
)

// DefaultFile is the file that [Load] reads if none is named.
const DefaultFile = "/etc/default/utmpd"

// BootRecords tells who writes the records of boots and shutdowns, or of run levels.
type BootRecords string

// The values of BOOT_RECORDS and RUNLEVEL_RECORDS.
const (
	Auto    BootRecords = "auto" // utmpctl, unless the system does
	Ours    BootRecords = "yes"  // utmpctl
	Systems BootRecords = "no"   // the system
)

// Logind tells whether sessions of logind are recorded that nobody else records.
type Logind string

// The values of LOGIND.
const (
	LogindAuto Logind = "auto" // if logind is on the bus
	LogindYes  Logind = "yes"  // likewise, and a missing one is logged
	LogindNo   Logind = "no"
)

// Limits of the values. Periods are whole seconds.
const (
	MaxPeriod = 7 * 24 * time.Hour // of SCAN_PERIOD and WTMPX_UPDATE_FREQ
	MaxGrace  = time.Hour          // of GRACE_PERIOD
	MaxMaxFDs = 1 << 20            // of MAX_FDS
)

// Config holds the settings of a file.
type Config struct {
	Reloadable
	Fixed
	BootRecords     BootRecords // BOOT_RECORDS: whether utmpctl writes the records of boots and shutdowns
	RunLevelRecords BootRecords // RUNLEVEL_RECORDS: likewise of run levels
}

// Reloadable holds the settings that the daemon reads again at a SIGHUP.
type Reloadable struct {
	ScanPeriod      time.Duration // SCAN_PERIOD: between two readings of the utmpx file; 1 s to MaxPeriod
	MaxFDs          int           // MAX_FDS: the most processes watched; 1 to MaxMaxFDs
	WtmpxUpdateFreq time.Duration // WTMPX_UPDATE_FREQ: between two heartbeats; 1 s to MaxPeriod
	GracePeriod     time.Duration // GRACE_PERIOD: from a death to the cleaning, fractions allowed; 0 to MaxGrace
	KeepBusyLines   bool          // KEEP_BUSY_LINES: keep a record while its terminal's session leader lives
}

// Fixed holds the settings that change only when the daemon starts. A path is
// absolute and clean.
type Fixed struct {
	UtmpxFile string // UTMPX_FILE
	WtmpxFile string // WTMPX_FILE
	PipeFile  string // PIPE_FILE
	RunDir    string // RUN_DIR
	StateDir  string // STATE_DIR
	RunAs     string // RUN_AS: the user to become, "" to stay who started it
	Logind    Logind // LOGIND

	LogindHosts bool // LOGIND_HOSTS: from where they came is recorded, too
}

// Changed returns the keys whose values differ from g's, in the order of the file.
func (f Fixed) Changed(g Fixed) []string {
	var keys []string
	for _, k := range []struct{ name, old, new string }{
		{"UTMPX_FILE", f.UtmpxFile, g.UtmpxFile},
		{"WTMPX_FILE", f.WtmpxFile, g.WtmpxFile},
		{"PIPE_FILE", f.PipeFile, g.PipeFile},
		{"RUN_DIR", f.RunDir, g.RunDir},
		{"STATE_DIR", f.StateDir, g.StateDir},
		{"RUN_AS", f.RunAs, g.RunAs},
		{"LOGIND", string(f.Logind), string(g.Logind)},
		{"LOGIND_HOSTS", yesOrNo(f.LogindHosts), yesOrNo(g.LogindHosts)},
	} {
		if k.old != k.new {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// Warning describes a fault in a line.
type Warning struct {
	File    string
	Line    int // from 1
	Text    string
	Instead string // what [Load] returns instead of the value, "" if no value is replaced
}

// Problem returns the text and, if there is one, the value that is used instead.
func (w Warning) Problem() string {
	if w.Instead == "" {
		return w.Text
	}
	return w.Text + "; using " + w.Instead
}

// String returns "FILE:LINE: problem" without control characters.
func (w Warning) String() string {
	return fmt.Sprintf("%s:%d: %s", printable(w.File), w.Line, printable(w.Problem()))
}

// printable returns s, quoted as in Go if a character of it is not printable.
func printable(s string) string {
	for _, r := range s {
		// An invalid byte ranges as U+FFFD, which is quoted too.
		if r == '\uFFFD' || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
