// SPDX-License-Identifier: BSD-2-Clause

package status

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// full is a status with every field set.
func full() Status {
	at := time.Date(2026, 11, 28, 2, 3, 4, 567_890_000, time.FixedZone("", 3600))
	return Status{
		State: Running, PID: 77, Version: "0.1.0", Started: at, UtmpxFile: "/run/utmp", WtmpxFile: "/var/log/wtmp",
		Sessions: 1, Watched: 2, Unwatched: 3, Dying: 4, Cleaned: 5, LogoutsOwed: 6, Waiting: 4, Backend: "pidfd",
		LastScan: at.Add(time.Second), LastHeartbeat: at.Add(2 * time.Second), LastClean: at.Add(3 * time.Second),
		HasLogind: true, Logins: 3, Recorded: 2, LogindError: "logind is not on the bus",
		HasPipe: true, Requests: 8, BadRequests: 9, Missing: "write /run/utmp", UtmpxError: "open /run/utmp: permission denied",
		DryRun: true, WouldClean: 10, Within: 5 * time.Minute, LogError: "dial /dev/log: no such file", LogLines: "one\ntwo\x1b\n",
	}
}

// written is when the file was written.
var written = time.Date(2026, 11, 28, 2, 5, 4, 0, time.UTC)

// TestAppend: scripts read the keys, the order and the form of the values.
func TestAppend(t *testing.T) {
	tests := []struct {
		name   string
		status Status
		want   string
	}{
		{"full", full(), `state: running
written: 2026-11-28T02:05:04.000Z
valid until: 2026-11-28T02:10:34.000Z
pid: 77
mode: dry run (-n)
version: 0.1.0
started: 2026-11-28T02:03:04.567+01:00
utmpx: /run/utmp
wtmpx: /var/log/wtmp
sessions: 1
watched: 2
unwatched: 3
dying: 4
cleaned: 5
would clean: 10
logouts owed: 6
logouts waiting: 4
backend: pidfd
last scan: 2026-11-28T02:03:05.567+01:00
last heartbeat: 2026-11-28T02:03:06.567+01:00
last clean: 2026-11-28T02:03:07.567+01:00
logins of logind: 3
recorded for logind: 2
logind error: logind is not on the bus
requests: 8
bad requests: 9
missing: write /run/utmp
utmpx error: open /run/utmp: permission denied
log error: dial /dev/log: no such file
log line: one
log line: "two\x1b"
`},
		{"at the start, without a pipe", Status{State: Starting, Started: time.Date(2026, 11, 28, 2, 3, 4, 0, time.UTC), Backend: "polling"}, `state: starting
written: 2026-11-28T02:05:04.000Z
valid until: 2026-11-28T02:05:34.000Z
pid: 0
mode: normal
version: 
started: 2026-11-28T02:03:04.000Z
utmpx: 
wtmpx: 
sessions: 0
watched: 0
unwatched: 0
dying: 0
cleaned: 0
logouts owed: 0
backend: polling
last scan: never
last heartbeat: never
last clean: never
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, string(tt.status.Append(nil, written))); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestKeysDescribed: utmpd-files(5) describes each key.
func TestKeysDescribed(t *testing.T) {
	page, err := os.ReadFile("../../man/utmpd-files.5")
	if err != nil {
		t.Fatal(err)
	}
	_, keys, _ := strings.Cut(string(page), "\n.It Pa /run/utmpd/status\n")
	keys, _, _ = strings.Cut(keys, "\n.It Pa ")
	described := map[string]bool{}
	for line := range strings.Lines(keys) {
		if names, ok := strings.CutPrefix(strings.TrimSpace(line), ".It Li "); ok {
			for name := range strings.SplitSeq(names, " , ") {
				described[name] = true
			}
		}
	}
	st := full()
	st.WouldClean = 1
	for _, dry := range []bool{false, true} {
		st.DryRun = dry
		for line := range strings.Lines(string(st.Append(nil, st.Started))) {
			if key, _, _ := strings.Cut(line, ": "); !described[key] {
				t.Errorf("utmpd-files(5) does not describe the key %q", key)
			}
		}
	}
}

func TestAppendLine(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"empty", "", "a: \n"},
		{"blank", "2 x", "a: 2 x\n"},
		{"newline", "1\nb: 2", "a: \"1\\nb: 2\"\n"},
		{"escape", "\x1b[2J", "a: \"\\x1b[2J\"\n"},
		{"C1", "\u009b", "a: \"\\u009b\"\n"},
		{"DEL", "\x7f", "a: \"\\x7f\"\n"},
		{"bidi", "\u202e", "a: \"\\u202e\"\n"},
		{"not UTF-8", "\xff", "a: \"\\xff\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, string(appendLine(nil, "a", tt.value))); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	if d := cmp.Diff("2 watched, 3 not, 5 cleaned; last scan 2026-11-28T02:03:05.567+01:00", full().Summary()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff("0 watched, 0 not, 0 cleaned; last scan never", Status{}.Summary()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "status")
	defer unix.Umask(unix.Umask(0o022)) // as the daemon sets it
	for n := range 2 {
		st := Status{Cleaned: n}
		if err := Write(File(path), st, written); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != string(st.Append(nil, written)) {
			t.Errorf("got %q, %v", b, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("files: %v", names)
	}
	if err := Write(File(filepath.Join(dir, "none", "status")), Status{}, written); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// TestNoAnswer: a successor reads what the one that it waits for waits for itself.
func TestNoAnswer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "status")
	if got := NoAnswer(name); got != "" {
		t.Errorf("no file: %q", got)
	}
	for _, want := range []string{"", "/var/log/wtmp since 2026-07-01T12:00:00Z"} {
		if err := Write(File(name), Status{State: Ended, Hangs: want}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := NoAnswer(name); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
