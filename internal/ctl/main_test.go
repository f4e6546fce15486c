// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"utmpctl": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScript runs the command line of utmpctl, unprivileged and on private files.
// The present boot is this machine's own.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			conf := "BOOT_RECORDS=yes\n"
			for _, kv := range [][2]string{{"UTMPX_FILE", "utmp"}, {"WTMPX_FILE", "wtmp"}, {"STATE_DIR", "state"}} {
				conf += fmt.Sprintf("%s='%s'\n", kv[0], filepath.Join(env.WorkDir, kv[1]))
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "conf"), []byte(conf), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"record": record,
			"beat":   beat,
		},
	})
}

// record FILE boot|shutdown|login TIME appends a record.
func record(ts *testscript.TestScript, _ bool, args []string) {
	when := args[2]
	r := map[string]utmpx.Record{
		"boot":     system(utmpx.BootTime, "reboot", when),
		"shutdown": system(utmpx.RunLevel, "shutdown", when),
		"login":    login("pts/0", 900, when),
	}[args[1]]
	b, err := utmpx.Native().Encode(r)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
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
