// SPDX-License-Identifier: BSD-2-Clause

// Package metrics formats how the daemon is doing as text for Prometheus. It is pure.
//
// No metric has a label with a user's name or a line: whoever can log in could make as
// many time series as he likes. Times are timestamps, not ages, so that a file that is no
// longer written shows its age.
//
// Source: the text format of Prometheus, version 0.0.4, and its naming conventions, as
// `promtool check metrics` checks them.
package metrics

import "time"

// File is the name of the file in RUN_DIR.
const File = "metrics"

// Sample is how the daemon is doing at one moment. Zero times are left out.
type Sample struct {
	Up      bool // false: utmpd has ended
	Written time.Time
	Within  time.Duration // after which the file is written again at the latest
	Started time.Time
	Version string
	DryRun  bool

	Sessions []Count // by state; each session of the utmpx file has one
	Left     []Count // by reason: sessions whose record stays, though nobody is known to live
	Led      int     // sessions that live by another process than their record's
	Recorded int     // sessions that utmpd itself has recorded, for logind

	Owed    int // logouts that wait
	Waiting int // of these, those that wait for a process

	Hung     map[string]bool // by file: its file system does not answer
	Late     int             // operations that take longer than they may
	Readable bool            // the utmpx file can be read whole, or is not there yet
	Notices  bool            // changes of the utmpx file are noticed at once
	Logged   bool            // the log takes lines

	Cleaned       int // records, since the start
	Logouts       int // appended to the wtmpx file, since the start
	LostLogouts   int
	DelayedLocked int // tries to clean, or to write what is owed, that found a file locked
	DelayedFailed int // tries that failed
	DroppedLines  int // of the log
	Scans         int
	FailedScans   int
	ClockSteps    int
	HasPipe       bool // the request pipe is open: its counts are shown
	Requests      uint64
	BadRequests   uint64

	LastScan      time.Time
	LastHeartbeat time.Time
	LastClean     time.Time
	LastClockStep time.Time
	Crash         Crash
}

// Count is a number of sessions of a kind.
type Count struct {
	Kind string
	N    int
}

// Crash is when the system crashed last. Both are zero if that is not known.
type Crash struct{ Earliest, Latest time.Time }

// AppendTo appends the metrics of s.
func (s *Sample) AppendTo(t *Text) {
	s.daemon(t)
	s.sessions(t)
	s.troubles(t)
	s.work(t)
}

func (s *Sample) daemon(t *Text) {
	t.Flag("utmpd_up", "Whether utmpd runs; it may have been killed since this was written.", s.Up)
	t.Time("utmpd_written_timestamp_seconds", "When these metrics were written.", s.Written)
	if s.Up {
		t.Time("utmpd_valid_until_timestamp_seconds", "Until when these metrics are written again, if utmpd works.", s.Written.Add(s.Within))
	}
	t.Time("utmpd_start_timestamp_seconds", "When utmpd was started.", s.Started)
	t.Family("utmpd_build_info", Gauge, "The version of utmpd; always 1.")
	t.Value("utmpd_build_info", 1, "version", s.Version)
	t.Flag("utmpd_dry_run", "Whether utmpd was started with -n and writes to neither file.", s.DryRun)
}

func (s *Sample) sessions(t *Text) {
	t.Family("utmpd_sessions", Gauge, "Sessions of the utmpx file, by what utmpd does about them.")
	for _, c := range s.Sessions {
		t.Value("utmpd_sessions", float64(c.N), "state", c.Kind)
	}
	t.Family("utmpd_sessions_left", Gauge, "Sessions whose record stays, though no process of theirs is known, by reason.")
	for _, c := range s.Left {
		t.Value("utmpd_sessions_left", float64(c.N), "reason", c.Kind)
	}
	t.One("utmpd_sessions_led", Gauge, "Sessions that live by another process than the one in their record.", float64(s.Led))
	t.One("utmpd_sessions_recorded", Gauge, "Sessions of logind that utmpd itself has recorded.", float64(s.Recorded))
	t.One("utmpd_logouts_owed", Gauge, "Logouts that wait to be written to the wtmpx file.", float64(s.Owed))
	t.One("utmpd_logouts_waiting", Gauge, "Of the owed logouts, those that wait for a process to end.", float64(s.Waiting))
}

func (s *Sample) troubles(t *Text) {
	t.Family("utmpd_file_hangs", Gauge, "Whether the file system of a file does not answer.")
	for _, file := range []string{"utmpx", "wtmpx"} {
		v := 0.0
		if s.Hung[file] {
			v = 1
		}
		t.Value("utmpd_file_hangs", v, "file", file)
	}
	t.One("utmpd_late_operations", Gauge, "Operations that take longer than they may.", float64(s.Late))
	t.Flag("utmpd_utmpx_readable", "Whether the utmpx file can be read whole, or does not exist yet.", s.Readable)
	t.Flag("utmpd_notices", "Whether changes of the utmpx file are noticed at once; if not, it is looked at each second.", s.Notices)
	t.Flag("utmpd_log_works", "Whether the log takes lines.", s.Logged)
}

func (s *Sample) work(t *Text) {
	t.One("utmpd_cleaned_total", Counter, "Records of dead sessions that were marked.", float64(s.Cleaned))
	t.One("utmpd_logouts_written_total", Counter, "Logouts appended to the wtmpx file.", float64(s.Logouts))
	t.One("utmpd_logouts_lost_total", Counter, "Logouts given up because too many waited.", float64(s.LostLogouts))
	t.Family("utmpd_clean_delays_total", Counter, "How often the cleaning of sessions, or a logout, had to wait, by cause.")
	t.Value("utmpd_clean_delays_total", float64(s.DelayedLocked), "cause", "locked")
	t.Value("utmpd_clean_delays_total", float64(s.DelayedFailed), "cause", "failed")
	t.One("utmpd_log_lines_dropped_total", Counter, "Log lines that nobody took.", float64(s.DroppedLines))
	t.One("utmpd_scans_total", Counter, "Readings of the utmpx file.", float64(s.Scans))
	t.One("utmpd_scan_failures_total", Counter, "Readings of the utmpx file that failed.", float64(s.FailedScans))
	t.One("utmpd_clock_steps_total", Counter, "Steps of the wall clock.", float64(s.ClockSteps))
	if s.HasPipe {
		t.One("utmpd_requests_total", Counter, "Requests through the named pipe.", float64(s.Requests))
		t.One("utmpd_bad_requests_total", Counter, "Requests that were none.", float64(s.BadRequests))
	}
	t.Time("utmpd_last_scan_timestamp_seconds", "When the utmpx file was last read.", s.LastScan)
	t.Time("utmpd_last_heartbeat_timestamp_seconds", "When the last heartbeat was.", s.LastHeartbeat)
	t.Time("utmpd_last_clean_timestamp_seconds", "When a record was last marked.", s.LastClean)
	t.Time("utmpd_last_clock_step_timestamp_seconds", "When the wall clock was last stepped.", s.LastClockStep)
	if !s.Crash.Latest.IsZero() {
		t.Family("utmpd_last_crash_timestamp_seconds", Gauge, "Between which moments the system last crashed.")
		t.Value("utmpd_last_crash_timestamp_seconds", seconds(s.Crash.Earliest), "bound", "earliest")
		t.Value("utmpd_last_crash_timestamp_seconds", seconds(s.Crash.Latest), "bound", "latest")
	}
}
