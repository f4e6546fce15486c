// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/utmpx"
)

func rec(t utmpx.Type, pid int32, id, line, user string, sec int64) utmpx.Record {
	return utmpx.Record{Type: t, PID: pid, ID: id, Line: line, User: user, Time: utmpx.Time{Sec: 1764000000 + sec}}
}

func writeRecords(t *testing.T, name string, recs ...utmpx.Record) {
	t.Helper()
	var data []byte
	for _, r := range recs {
		var err error
		if data, err = utmpx.Native().AppendEncode(data, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// boot, getty, session and others are records as programs write them.
var (
	aBoot   = rec(utmpx.BootTime, 0, "~~", "~", "reboot", 0)
	aLevel  = rec(utmpx.RunLevel, 53, "~~", "~", "runlevel", 5)
	aGetty  = rec(utmpx.LoginProcess, 300, "tty1", "tty1", "LOGIN", 6)
	ssh     = rec(utmpx.UserProcess, 400, "ts/0", "pts/0", "alice", 100)
	nested  = rec(utmpx.UserProcess, 410, "/0", "pts/0", "bob", 200)
	sshOut  = rec(utmpx.DeadProcess, 400, "", "pts/0", "", 300)
	ftp     = rec(utmpx.UserProcess, 500, "", "vsftpd:500", "carol", 120)
	nothing = rec(utmpx.UserProcess, 0, "", "", "sddm", 130)
)

// TestLogIsNoUtmpx checks which files are refused as the utmpx file.
func TestLogIsNoUtmpx(t *testing.T) {
	dead := ssh
	dead.Type, dead.User, dead.Time.Sec = utmpx.DeadProcess, "", ssh.Time.Sec+60
	stale := ssh
	stale.PID, stale.Time.Sec = 39, ssh.Time.Sec-1000
	bare := dead
	bare.ID = ""
	set := func(typ utmpx.Type) utmpx.Record { return rec(typ, 0, "", "|", "date", 50) }
	elsewhere := bare
	elsewhere.Line = "pts/8"
	for _, tt := range []struct {
		name string
		file string // "" is utmp
		recs []utmpx.Record
		want string // in the error; "" is none
	}{
		{"utmp of a machine", "", []utmpx.Record{aBoot, aLevel, aGetty, ssh, ftp}, ""},
		{"login within a session: two ids on one line", "", []utmpx.Record{aBoot, ssh, nested}, ""},
		{"a session that has ended", "", []utmpx.Record{aBoot, sshOut}, ""},
		{"a record that was not replaced", "", []utmpx.Record{aBoot, stale, ssh}, ""},
		{"records that name nothing", "", []utmpx.Record{aBoot, nothing, nothing, nothing, nothing}, ""},
		{"empty", "", nil, ""},
		{"two boots", "", []utmpx.Record{aBoot, aLevel, aBoot}, "slots 0 and 2 both have a BOOT_TIME"},
		{"two run levels", "", []utmpx.Record{aBoot, aLevel, aLevel}, "slots 1 and 2 both have a RUN_LVL"},
		{"a clock that was set twice", "", []utmpx.Record{aBoot, set(utmpx.OldTime), set(utmpx.NewTime), set(utmpx.OldTime)}, "slots 1 and 3 both have an OLD_TIME"},
		{"the same, from the second record on", "", []utmpx.Record{set(utmpx.NewTime), set(utmpx.OldTime), set(utmpx.NewTime)}, "slots 0 and 2 both have a NEW_TIME"},
		{"a clock that was set", "", []utmpx.Record{aBoot, aLevel, set(utmpx.OldTime), set(utmpx.NewTime)}, ""},
		{"a login and its logout", "", []utmpx.Record{aBoot, ssh, dead}, `slots 1 and 2 are both of the session "pts/0"`},
		{"a login, and its logout without an id, as logwtmp(3) writes it", "", []utmpx.Record{aBoot, ssh, bare}, `slots 1 and 2 are both of the session "pts/0"`},
		{"a record without an id on another line", "", []utmpx.Record{aBoot, ssh, elsewhere}, ""},
		{"logins of one line", "", []utmpx.Record{ssh, stale, ssh, stale}, `are both of the session "pts/0"`},
		{"name of the log", "wtmp", nil, "wtmp is the name of a log"},
		{"name of a rotated log", "wtmp.1", nil, "is the name of a log"},
		{"name of the other log", "btmp", nil, "is the name of a log"},
		{"name of Solaris' log", "wtmpx", nil, "is the name of a log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "utmp")
			if tt.file != "" {
				file = filepath.Join(dir, tt.file)
			}
			writeRecords(t, file, tt.recs...)
			err := newTwoFiles(config.Fixed{UtmpxFile: file, WtmpxFile: filepath.Join(dir, "log")}, nil).check()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// TestOneFileForTwo checks that two names of one file are refused, through links too,
// and also if that comes about while utmpd runs.
func TestOneFileForTwo(t *testing.T) {
	dir := t.TempDir()
	utmp, log := filepath.Join(dir, "utmp"), filepath.Join(dir, "log")
	writeRecords(t, utmp, aBoot, ssh)
	writeRecords(t, log, aBoot, ssh, sshOut)
	two := newTwoFiles(config.Fixed{UtmpxFile: utmp, WtmpxFile: log}, nil)
	if err := two.check(); err != nil {
		t.Fatal(err)
	}
	scan := func(periodic bool) error {
		snap, err := recfile.NewFile(utmp, recfile.Options{}).Snapshot(nil)
		return two.checkScan(scanner.Event{Snapshot: snap, Err: err, Began: time.Now(), Periodic: periodic}, new(aside).look)
	}
	if err := scan(true); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(utmp, log); err != nil {
		t.Fatal(err)
	}
	if err := scan(true); err == nil || !strings.Contains(err.Error(), "are one file") {
		t.Errorf("the log has become a link to the utmpx file: error %v", err)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(utmp, filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	writeRecords(t, utmp, aBoot, ssh, aBoot)
	if err := scan(false); err == nil || !strings.Contains(err.Error(), "it is a log") {
		t.Errorf("a log has taken the place of the utmpx file: error %v", err)
	}
}
