// SPDX-License-Identifier: BSD-2-Clause

// Package status keeps a small file of "key: value" lines that shows how the
// daemon is doing.
package status

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"utmpd.dev/utmpd/internal/atomicfile"
)

// Status is how the daemon is doing. Two are equal (==) if nothing changed.
type Status struct {
	State     State
	PID       int
	Version   string
	Started   time.Time
	DryRun    bool          // -n: it writes to neither file
	Within    time.Duration // after which it is written again at the latest
	Looked    time.Time     // at the utmpx file, read or not; not shown: it has the file written again
	Metrics   int           // so many samples of the metrics are to be written; not shown, as Looked
	UtmpxFile string
	WtmpxFile string

	Sessions    int // records of sessions in the utmpx file
	Watched     int // of these, those whose process is watched
	Unwatched   int // and those judged at each scan instead
	Dying       int // and those whose process has ended, not yet cleaned
	Cleaned     int // records cleaned since the start
	WouldClean  int // with DryRun: records that would have been cleaned
	LogoutsOwed int // logouts that wait for the wtmpx file, or for a process
	Waiting     int // of these, those that wait for a process: until it has ended, they may be another session's

	Backend       string // how the ends of processes are learnt
	LastScan      time.Time
	LastHeartbeat time.Time
	LastClean     time.Time // zero, as LastScan and LastHeartbeat: never

	HasLogind   bool   // there is, or was, a logind: the next three are shown
	Logins      int    // those that logind has
	Recorded    int    // records that are there and were written for them
	LogindError string // why logind does not answer, "" if it does

	HasPipe     bool // the request pipe is open: its counts are shown
	Requests    uint64
	BadRequests uint64

	Missing     string // what the daemon has no right to do, or the kernel does not offer; "" if nothing
	UtmpxError  string // why the utmpx file cannot be read whole, "" if it can
	Hangs       string // the files whose file system does not answer, and since when; "" if all do
	NoticeError string // why there are no notices of changes, "" if there are
	LogError    string // why the log's lines go nowhere, "" if they are taken
	LogLines    string // the last of these lines, each with its newline
}

// State is what the daemon is doing.
type State string

// The states, in their order.
const (
	Starting State = "starting"
	Running  State = "running"
	Ended    State = "ended"
)

// timeFormat is RFC 3339 with milliseconds, as in the log.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// late is how long after Within the file may be written.
const late = 30 * time.Second

// Append appends the lines of the status file as written at now. A value that is not printable is
// quoted as in Go, so that it stays on its line and cannot control a terminal.
func (s Status) Append(b []byte, now time.Time) []byte {
	b = appendLine(b, "state", string(s.State))
	b = appendLine(b, "written", now.Format(timeFormat))
	if s.State != Ended {
		b = appendLine(b, "valid until", now.Add(s.Within+late).Format(timeFormat))
	}
	b = appendLine(b, "pid", strconv.Itoa(s.PID))
	b = appendLine(b, "mode", s.mode())
	b = appendLine(b, "version", s.Version)
	b = appendLine(b, "started", s.Started.Format(timeFormat))
	b = appendLine(b, "utmpx", s.UtmpxFile)
	b = appendLine(b, "wtmpx", s.WtmpxFile)
	b = appendLine(b, "sessions", strconv.Itoa(s.Sessions))
	b = appendLine(b, "watched", strconv.Itoa(s.Watched))
	b = appendLine(b, "unwatched", strconv.Itoa(s.Unwatched))
	b = appendLine(b, "dying", strconv.Itoa(s.Dying))
	b = appendLine(b, "cleaned", strconv.Itoa(s.Cleaned))
	if s.DryRun {
		b = appendLine(b, "would clean", strconv.Itoa(s.WouldClean))
	}
	b = appendLine(b, "logouts owed", strconv.Itoa(s.LogoutsOwed))
	if s.Waiting > 0 {
		b = appendLine(b, "logouts waiting", strconv.Itoa(s.Waiting))
	}
	b = appendLine(b, "backend", s.Backend)
	b = appendLine(b, "last scan", formatTime(s.LastScan))
	b = appendLine(b, "last heartbeat", formatTime(s.LastHeartbeat))
	b = appendLine(b, "last clean", formatTime(s.LastClean))
	if s.HasLogind {
		b = appendLine(b, "logins of logind", strconv.Itoa(s.Logins))
		b = appendLine(b, "recorded for logind", strconv.Itoa(s.Recorded))
		if s.LogindError != "" {
			b = appendLine(b, "logind error", s.LogindError)
		}
	}
	if s.HasPipe {
		b = appendLine(b, "requests", strconv.FormatUint(s.Requests, 10))
		b = appendLine(b, "bad requests", strconv.FormatUint(s.BadRequests, 10))
	}
	if s.Missing != "" {
		b = appendLine(b, "missing", s.Missing)
	}
	if s.UtmpxError != "" {
		b = appendLine(b, "utmpx error", s.UtmpxError)
	}
	if s.Hangs != "" {
		b = appendLine(b, "no answer", s.Hangs)
	}
	if s.NoticeError != "" {
		b = appendLine(b, "notification error", s.NoticeError)
	}
	if s.LogError != "" {
		b = appendLine(b, "log error", s.LogError)
		for line := range strings.Lines(s.LogLines) {
			b = appendLine(b, "log line", strings.TrimSuffix(line, "\n"))
		}
	}
	return b
}

// NoAnswer returns what the daemon that wrote the file name waited for then; "" if that was
// nothing, or the file cannot be read.
func NoAnswer(name string) string {
	b, _ := atomicfile.Read(name)
	for line := range strings.Lines(string(b)) {
		if what, ok := strings.CutPrefix(line, "no answer: "); ok {
			return strings.TrimSpace(what)
		}
	}
	return ""
}

func (s Status) mode() string {
	if s.DryRun {
		return "dry run (-n)"
	}
	return "normal"
}

// Summary returns the status in one line, for the service manager.
func (s Status) Summary() string {
	return fmt.Sprintf("%d watched, %d not, %d cleaned; last scan %s", s.Watched, s.Unwatched, s.Cleaned, formatTime(s.LastScan))
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(timeFormat)
}

func appendLine(b []byte, key, value string) []byte {
	b = append(b, key...)
	b = append(b, ": "...)
	b = append(b, printable(value)...)
	return append(b, '\n')
}

func printable(s string) string {
	for _, r := range s {
		if r == unicode.ReplacementChar || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// File is the file at path, mode 0644 less the umask.
func File(path string) *atomicfile.File { return atomicfile.New(path, 0o644) }

// Write replaces the file f, so that a reader finds the old one or the new one, whole.
func Write(f *atomicfile.File, s Status, now time.Time) error {
	if err := f.Write(atomicfile.Bytes(s.Append(make([]byte, 0, 2048), now))); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}
