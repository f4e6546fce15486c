// SPDX-License-Identifier: BSD-2-Clause

// Command demo shows utmpd's main task on a real session. It records a login,
// kills the session's process with SIGKILL, and shows how utmpd records the end.
// It uses private files in a temporary directory. All of it fits a screen; on a terminal it
// is coloured.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "session" {
		time.Sleep(time.Hour) // the session: a process that only sleeps
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo PATH-OF-UTMPD")
		os.Exit(2)
	}
	if err := demo(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(utmpd string) error {
	dir, err := os.MkdirTemp("", "utmpd-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	conf, err := prepare(dir)
	if err != nil {
		return err
	}

	say("utmpd starts, on files of its own in %s", dir)
	daemon, log, err := start(utmpd, conf)
	if err != nil {
		return err
	}
	defer daemon.Process.Kill()
	if err := await(log, "utmpd started"); err != nil {
		return err
	}
	if err := oneSession(dir, log); err != nil {
		return err
	}

	say("utmpd ends")
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := await(log, "utmpd ended"); err != nil {
		return err
	}
	return daemon.Wait()
}

// prepare creates empty utmp and wtmp files and a configuration in dir, and returns
// the name of the configuration.
func prepare(dir string) (conf string, err error) {
	utmp, wtmp := filepath.Join(dir, "utmp"), filepath.Join(dir, "wtmp")
	conf = filepath.Join(dir, "utmpd.conf")
	text := fmt.Sprintf("UTMPX_FILE=%s\nWTMPX_FILE=%s\nRUN_DIR=%s/run\nSTATE_DIR=%s/state\nPIPE_FILE=%s/run/utmppipe\n", utmp, wtmp, dir, dir, dir)
	for name, content := range map[string]string{utmp: "", wtmp: "", conf: text} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	return conf, nil
}

// oneSession logs a user in, kills the session, and waits until utmpd has recorded
// its end.
func oneSession(dir string, log <-chan string) error {
	utmp, wtmp := filepath.Join(dir, "utmp"), filepath.Join(dir, "wtmp")
	session, err := login(utmp, wtmp)
	if err != nil {
		return err
	}
	defer session.Process.Kill()
	say("alice has logged in; her session is process %d", session.Process.Pid)
	run(dir, "who", "utmp")
	if err := watched(filepath.Join(dir, "run", "status")); err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // so that last shows a session of some length

	say("kill -9 %d: the session cannot remove its entry", session.Process.Pid)
	killed := time.Now()
	if err := session.Process.Kill(); err != nil {
		return err
	}
	_ = session.Wait()
	run(dir, "who", "utmp")

	if err := await(log, "session ended"); err != nil {
		return err
	}
	say("%.1f seconds after the kill: nobody is on, and wtmp has the logout", time.Since(killed).Seconds())
	run(dir, "who", "utmp")
	run(dir, "last", "-f", "wtmp")
	return nil
}

// login starts a session and records it as login(1) does, in both files.
func login(utmp, wtmp string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	session := exec.Command(self, "session")
	if err := session.Start(); err != nil {
		return nil, err
	}
	r := utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(session.Process.Pid), Line: "pts/77", ID: "s/77",
		User: "alice", Host: "desk.example", Time: utmpx.TimeOf(time.Now()),
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = recfile.NewFile(utmp, recfile.Options{}).Put(ctx, r)
	return session, errors.Join(err, recfile.NewLog(wtmp, recfile.Options{}).Append(ctx, r))
}

// watched waits until utmpd's status shows that it watches a session.
func watched(status string) error {
	for late := time.Now().Add(10 * time.Second); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(status)
		if err == nil && strings.Contains(string(text), "\nwatched: 1\n") {
			return nil
		}
	}
	return errors.New("utmpd does not watch the session")
}

// start runs utmpd in the foreground; its log comes line by line.
func start(utmpd, conf string) (*exec.Cmd, <-chan string, error) {
	cmd := exec.Command(utmpd, "-foreground", "-config", conf)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return cmd, lines, nil
}

// await waits until a line of the log has the text, and shows that line.
func await(log <-chan string, text string) error {
	late := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-log:
			if !ok {
				return fmt.Errorf("utmpd ended without %q", text)
			}
			if strings.Contains(line, text) {
				fmt.Println(paint(dim, "log: "+brief(line)))
				return nil
			}
		case <-late:
			return fmt.Errorf("no %q in 20 seconds", text)
		}
	}
}

// shown are the parts of a line of the log that the demo is about.
var shown = regexp.MustCompile(`msg=("[^"]*"|\S+)|\b(?:backend|line|user|exit|logout|cleaned)=(?:"[^"]*"|\S+)`)

// brief returns a line of the log without what would not fit the screen.
func brief(line string) string {
	var parts []string
	for _, m := range shown.FindAllStringSubmatch(line, -1) {
		part := m[0]
		if m[1] != "" {
			part = strings.Trim(m[1], `"`)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

// run shows a command in a directory and what it prints.
func run(dir, name string, args ...string) {
	fmt.Println(paint(bold, "$ "+name+" "+strings.Join(args, " ")))
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		fmt.Printf("    (%s is not installed; the records are:)\n", name)
		show(os.Stdout, filepath.Join(dir, args[len(args)-1]))
	case err != nil:
		fmt.Printf("    %v\n", err)
	case len(out) == 0:
		fmt.Println("    (nobody)")
	default:
		for line := range strings.Lines(string(out)) {
			if strings.TrimSpace(line) != "" {
				fmt.Print("    ", line)
			}
		}
	}
}

// show prints a file's records where the system has no program for it.
func show(w io.Writer, name string) {
	for e, err := range logs.New(name, logs.Options{}).Forward(context.Background()) {
		if err != nil {
			fmt.Fprintln(w, "   ", err)
			return
		}
		fmt.Fprintln(w, "   ", e.Record)
	}
}

func say(format string, args ...any) {
	fmt.Println("\n" + paint(bold+green, "== "+fmt.Sprintf(format, args...)))
}

// The colours of a terminal.
//
// Source: ECMA-48, Select Graphic Rendition.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	green = "\x1b[32m"
	plain = "\x1b[m"
)

// paint returns the text in a colour if standard output is a terminal that wants any.
func paint(colour, text string) string {
	if _, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err != nil || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return colour + text + plain
}
