// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/pidfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"utmpctl": func() {
			on := thisMachine()
			on.owner = ownerAsRoot
			os.Exit(mainOn(os.Args[1:], os.Stdout, os.Stderr, on))
		},
		"last": func() { os.Exit(Called(append([]string{"last"}, os.Args[1:]...), os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// ownerAsRoot takes whoever runs the tests for root, whose the files of a machine are.
func ownerAsRoot(fi fs.FileInfo) check.Owner {
	o := ownerOf(fi)
	if int(o.UID) == os.Getuid() {
		o.UID = 0
	}
	if int(o.GID) == os.Getgid() {
		o.GID = 0
	}
	return o
}

// TestScript runs the command line of utmpctl, unprivileged and on private files.
// The present boot is this machine's own.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("TESTPID", strconv.Itoa(os.Getpid()))
			conf := "BOOT_RECORDS=yes\nRUNLEVEL_RECORDS=no\n"
			for _, kv := range [][2]string{{"UTMPX_FILE", "utmp"}, {"WTMPX_FILE", "wtmp"}, {"STATE_DIR", "state"}, {"RUN_DIR", "run"}} {
				conf += fmt.Sprintf("%s='%s'\n", kv[0], filepath.Join(env.WorkDir, kv[1]))
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "conf"), []byte(conf), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"record": record,
			"beat":   beat,
			"utmpd":  standIn,

			"session": recordSession,
		},
	})
}

// record FILE boot|shutdown|login|closed TIME appends a record.
func record(ts *testscript.TestScript, _ bool, args []string) {
	when := args[2]
	r := map[string]utmpx.Record{
		"boot":     system(utmpx.BootTime, "reboot", when),
		"shutdown": system(utmpx.RunLevel, "shutdown", when),
		"login":    login("pts/0", 900, when),
		"closed":   {Type: utmpx.DeadProcess, PID: 900, Line: "pts/0", Host: session.Mark(at(when), time.Time{}), Time: utmpx.TimeOf(at(when))},
	}[args[1]]
	appendTo(ts, args[0], r)
}

func appendTo(ts *testscript.TestScript, name string, r utmpx.Record) {
	b, err := utmpx.Native().Encode(r)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	ts.Check(err)
	defer f.Close()
	_, err = f.Write(b)
	ts.Check(err)
}

// beat TIME leaves the heartbeat's note of another boot.
func beat(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(heartbeat.WriteNote(filepath.Join(ts.MkAbs("state"), heartbeat.NoteFile),
		heartbeat.Note{BootID: "another", Time: at(args[0]), Every: time.Minute, State: heartbeat.Running}))
}

// utmpd ["KEY: VALUE"...] leaves the pid file and the status of a utmpd that runs: this
// process. Further lines replace those that they name. ! utmpd has it end without its own
// doing.
func standIn(ts *testscript.TestScript, kill bool, args []string) {
	name := filepath.Join(ts.MkAbs("run"), "utmpd.pid")
	if kill {
		// The lock goes with the process that has it: this one replaces the file.
		ts.Check(os.WriteFile(name+".new", nil, 0o600))
		ts.Check(os.Rename(name+".new", name))
		return
	}
	lock, err := pidfile.Acquire(name)
	if running := new(pidfile.RunningError); errors.As(err, &running) {
		err = nil // from before
	}
	ts.Check(err)
	if lock != nil {
		ts.Defer(func() { lock.Release() })
	}
	now := time.Now()
	text := string(status.Status{
		State: status.Running, PID: os.Getpid(), Version: "0.1.0", Started: at("08:00"), Within: time.Minute, Backend: "pidfd",
		UtmpxFile: "/run/utmp", WtmpxFile: "/var/log/wtmp", Sessions: 2, Watched: 2, Cleaned: 5,
		LastScan: at("12:00"), LastClean: at("09:00"),
	}.Append(nil, now))
	for _, arg := range args {
		key, _, _ := strings.Cut(arg, ":")
		at := strings.Index("\n"+text, "\n"+key+":")
		if at < 0 {
			text += arg + "\n"
			continue
		}
		_, rest, _ := strings.Cut(text[at:], "\n")
		text = text[:at] + arg + "\n" + rest
	}
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs("run"), "status"), []byte(text), 0o644))
}

// session FILE USER LINE PID HOST TIME appends a record of a session. USER may have escapes
// as in Go.
func recordSession(ts *testscript.TestScript, _ bool, args []string) {
	user, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	pid, err := strconv.ParseInt(args[3], 10, 32)
	ts.Check(err)
	appendTo(ts, args[0], utmpx.Record{Type: utmpx.UserProcess, User: user, Line: args[2], PID: int32(pid), Host: args[4], Time: utmpx.TimeOf(at(args[5]))})
}
