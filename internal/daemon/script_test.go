// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// patience bounds every wait of a script. None of them measures time.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"utmpd": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestScript runs the command line of utmpd, unprivileged and on private files.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"login":     login,
			"end":       end,
			"await":     await,
			"records":   records,
			"terminate": terminate,
			"hup": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(syscall.Kill(daemonPID(ts), syscall.SIGHUP))
			},
			"crash":     crash,
			"interrupt": func(ts *testscript.TestScript, _ bool, _ []string) { send(ts, syscall.SIGINT) },
			"request":   request,
			"garbage":   func(ts *testscript.TestScript, _ bool, _ []string) { writePipe(ts, []byte("garbage, all of it.")) },
		},
	})
}

// sessions are the processes of a script, by line.
type sessions map[string]*exec.Cmd

// setUp makes a configuration, conf, for files in the script's directory.
func setUp(env *testscript.Env) error {
	dir := env.WorkDir
	conf := ""
	for _, kv := range [][2]string{
		{"UTMPX_FILE", "utmp"}, {"WTMPX_FILE", "wtmp"}, {"RUN_DIR", "run"}, {"STATE_DIR", "state"}, {"PIPE_FILE", "run/utmppipe"},
	} {
		conf += fmt.Sprintf("%s='%s'\n", kv[0], filepath.Join(dir, kv[1]))
	}
	env.Values["sessions"] = sessions{}
	env.Defer(func() {
		for _, cmd := range env.Values["sessions"].(sessions) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if pid, err := readPID(filepath.Join(dir, "run/utmpd.pid")); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return os.WriteFile(filepath.Join(dir, "conf"), []byte(conf+"GRACE_PERIOD=0.1\n"), 0o600)
}

// login LINE USER starts a process and records its session.
func login(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command("sleep", "1000")
	ts.Check(cmd.Start())
	ts.Value("sessions").(sessions)[args[0]] = cmd
	r := utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(cmd.Process.Pid), Line: args[0], ID: args[0][max(0, len(args[0])-4):],
		User: args[1], Host: "host", Time: utmpx.TimeOf(time.Now()),
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := recfile.NewFile(ts.MkAbs("utmp"), recfile.Options{}).Put(ctx, r)
	ts.Check(err)
	ts.Check(recfile.NewLog(ts.MkAbs("wtmp"), recfile.Options{}).Append(ctx, r))
}

// end LINE kills the process of a session.
func end(ts *testscript.TestScript, _ bool, args []string) {
	cmd := ts.Value("sessions").(sessions)[args[0]]
	ts.Check(cmd.Process.Kill())
	_ = cmd.Wait()
}

// request LINE asks utmpd to look at the process of a session, as libc does.
func request(ts *testscript.TestScript, _ bool, args []string) {
	pid := ts.Value("sessions").(sessions)[args[0]].Process.Pid
	msg := binary.NativeEndian.AppendUint32(nil, 1)
	writePipe(ts, binary.NativeEndian.AppendUint32(msg, uint32(pid)))
}

func writePipe(ts *testscript.TestScript, msg []byte) {
	f, err := os.OpenFile(ts.MkAbs("run/utmppipe"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	ts.Check(err)
	defer f.Close()
	_, err = f.Write(msg)
	ts.Check(err)
}

// await FILE REGEXP waits until a file's text matches.
func await(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[1])
	var text []byte
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(ts.MkAbs(args[0]))
		if re.Match(text) {
			return
		}
	}
	ts.Fatalf("%s never matched %q:\n%s", args[0], args[1], text)
}

// records FILE TYPE:LINE... compares what a file holds; "records -wait" waits for it.
func records(ts *testscript.TestScript, _ bool, args []string) {
	wait := args[0] == "-wait"
	if wait {
		args = args[1:]
	}
	want, got := strings.Join(args[1:], " "), ""
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var parts []string
		for e, err := range logs.New(ts.MkAbs(args[0]), logs.Options{}).Forward(context.Background()) {
			ts.Check(err)
			parts = append(parts, strings.TrimSuffix(e.Type.String(), "_PROCESS")+":"+e.Line)
		}
		if got = strings.Join(parts, " "); got == want {
			return
		}
		if !wait || time.Now().After(late) {
			ts.Fatalf("%s holds %s, want %s", args[0], got, want)
		}
	}
}

func readPID(name string) (int, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func daemonPID(ts *testscript.TestScript) int {
	pid, err := readPID(ts.MkAbs("run/utmpd.pid"))
	ts.Check(err)
	return pid
}

// terminate ends the daemon with SIGTERM, crash with SIGKILL; both wait for the end.
func terminate(ts *testscript.TestScript, _ bool, _ []string) { send(ts, syscall.SIGTERM) }
func crash(ts *testscript.TestScript, _ bool, _ []string)     { send(ts, syscall.SIGKILL) }

func send(ts *testscript.TestScript, sig syscall.Signal) {
	pid := daemonPID(ts)
	ts.Check(syscall.Kill(pid, sig))
	proc := fmt.Sprintf("/proc/%d/", pid)
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(5 * time.Millisecond) {
		// A zombie whose other threads have ended too holds nothing any more.
		text, err := os.ReadFile(proc + "stat")
		threads, _ := os.ReadDir(proc + "task")
		if err != nil || strings.Contains(string(text), ") Z ") && len(threads) <= 1 {
			return
		}
	}
	ts.Fatalf("process %d does not end", pid)
}
