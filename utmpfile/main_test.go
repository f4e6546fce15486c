// SPDX-License-Identifier: BSD-2-Clause

package utmpfile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/leaktest"
	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// start is a time that every layout can hold.
const start = 1_780_000_000

var boot = utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12.0", Time: utmpx.Time{Sec: start}}

// session is a login on a line, some seconds after the boot.
func session(line, user string, after int64) utmpx.Record {
	return utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(1000 + after), Line: line, ID: line[max(0, len(line)-4):], User: user,
		Host: "desk.example.org", Time: utmpx.Time{Sec: start + after, Usec: 42},
	}
}

// write makes a file of records in a layout.
func write(t testing.TB, name string, l *utmpx.Layout, records ...utmpx.Record) string {
	t.Helper()
	var data []byte
	for _, r := range records {
		var err error
		if data, err = l.AppendEncode(data, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// files returns an empty utmpx file and an empty log in a directory of the test.
func files(t testing.TB, l *utmpx.Layout) utmpfile.Recorder {
	t.Helper()
	dir := t.TempDir()
	opts := &utmpfile.Options{Layout: l}
	return utmpfile.Recorder{
		File: utmpfile.NewFile(write(t, filepath.Join(dir, "utmp"), l), opts),
		Log:  utmpfile.NewLog(write(t, filepath.Join(dir, "wtmp"), l), opts),
	}
}

// at is a time in seconds after the boot.
func at(after int64) time.Time { return time.Unix(start+after, 42_000) }

// plain is a record without the bytes that it was read from, for comparing.
func plain(r utmpx.Record) utmpx.Record {
	return utmpx.Record{
		Type: r.Type, PID: r.PID, Line: r.Line, ID: r.ID, User: r.User, Host: r.Host,
		Session: r.Session, Time: r.Time, Exit: r.Exit, Addr: r.Addr,
	}
}

// contents returns the records of both files, without the bytes they come from.
func contents(t testing.TB, r utmpfile.Recorder) (file, log []utmpx.Record) {
	t.Helper()
	file, err := r.File.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	log, err = utmpfile.NewFile(r.Log.Name(), nil).Snapshot() // the same bytes
	if err != nil {
		t.Fatal(err)
	}
	for i := range file {
		file[i] = plain(file[i])
	}
	for i := range log {
		log[i] = plain(log[i])
	}
	return file, log
}
