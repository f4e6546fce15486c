// SPDX-License-Identifier: BSD-2-Clause

package fleetctl_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/fleet/internal/fleetctl"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) {
	if os.Getenv("UTMPFLEET_PROGRAM") != "" {
		os.Exit(fleetctl.Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	time.Local = time.UTC
	os.Exit(lab.Main(m))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call calls utmpfleet.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = fleetctl.Main(args, &out, &errs)
	return code, out.String(), errs.String()
}

// machine is one with private files and an agent in a process of its own.
type machine struct {
	t     *testing.T
	s     *lab.Server
	name  string
	dir   string
	creds string
	cmd   *exec.Cmd
}

func newMachine(t *testing.T, s *lab.Server, name string) *machine {
	t.Helper()
	m := &machine{t: t, s: s, name: name, dir: t.TempDir()}
	m.creds = filepath.Join(m.dir, "creds")
	if code, out, errs := call("enroll", "-dir", s.Dir, "-o", m.creds, name); code != 0 || out+errs != "" {
		t.Fatal(out, errs)
	}
	for _, f := range []string{"utmp", "wtmp"} {
		check(t, os.WriteFile(filepath.Join(m.dir, f), nil, 0o600))
	}
	check(t, os.WriteFile(filepath.Join(m.dir, "machine-id"), []byte(name+"\n"), 0o600))
	return m
}

func (m *machine) start() {
	m.t.Helper()
	file := func(name string) string { return filepath.Join(m.dir, name) }
	m.cmd = exec.Command(os.Args[0], "agent", "-server", m.s.URL(), "-creds", m.creds, "-wtmp", file("wtmp"), "-utmp", file("utmp"), "-machine-id", file("machine-id"))
	m.cmd.Env = append(os.Environ(), "UTMPFLEET_PROGRAM=1")
	if testing.Verbose() {
		m.cmd.Stderr = os.Stderr
	}
	check(m.t, m.cmd.Start())
	m.t.Cleanup(func() { m.kill(syscall.SIGKILL) })
}

func (m *machine) kill(sig syscall.Signal) (code int) {
	if m.cmd == nil {
		return 0
	}
	_ = m.cmd.Process.Signal(sig)
	_ = m.cmd.Wait()
	code = m.cmd.ProcessState.ExitCode()
	m.cmd = nil
	return code
}

// record writes a record to both files, as a login does, or to the log alone.
func (m *machine) record(files string, r utmpx.Record) {
	m.t.Helper()
	b, err := utmpx.Native().Encode(r)
	check(m.t, err)
	for name := range strings.FieldsSeq(files) {
		f, err := os.OpenFile(filepath.Join(m.dir, name), os.O_WRONLY|os.O_APPEND, 0)
		check(m.t, err)
		_, err = f.Write(b)
		check(m.t, err)
		check(m.t, f.Close())
	}
}

func at(clock string) utmpx.Time {
	t, err := time.Parse(time.DateTime, "2026-07-01 "+clock+":00")
	if err != nil {
		panic(err)
	}
	return utmpx.TimeOf(t)
}

func login(user, line, clock string) utmpx.Record {
	return utmpx.Record{Type: utmpx.UserProcess, PID: 77, User: user, Line: line, ID: line[len(line)-1:], Host: "ws7", Time: at(clock)}
}

func boot(clock string) utmpx.Record {
	return utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12", Time: at(clock)}
}

// shows waits until a question has this answer. Times of this moment are shown as NOW.
func shows(t *testing.T, s *lab.Server, want string, args ...string) {
	t.Helper()
	args = append([]string{args[0], "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds")}, args[1:]...)
	var got string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		code, out, errs := call(args...)
		var b strings.Builder
		for line := range strings.Lines(out) {
			fields := strings.Fields(line)
			for i, f := range fields {
				if strings.HasPrefix(f, time.Now().UTC().Format("2006-01-")) {
					fields[i], fields[i+1] = "NOW", ""
				}
			}
			fmt.Fprintln(&b, strings.Join(strings.Fields(strings.Join(fields, " ")), " "))
		}
		got = b.String() + errs
		if code != 0 {
			got += fmt.Sprintln("exit", code)
		}
		if got == want {
			return
		}
	}
	t.Fatalf("%v: got\n%swant\n%s", args, got, want)
}

// TestFleet: three machines, a server that is killed, a machine that crashes, and questions.
func TestFleet(t *testing.T) {
	s := lab.Start(t)
	web, db, app := newMachine(t, s, "web1.example.org"), newMachine(t, s, "db1"), newMachine(t, s, "app1")
	for _, m := range []*machine{web, db, app} {
		m.record("wtmp", boot("08:00"))
		m.start()
	}
	web.record("wtmp utmp", login("alice", "pts/0", "08:10"))
	db.record("wtmp utmp", login("bob", "pts/0", "08:20"))
	shows(t, s, "MACHINE USER LINE SINCE FROM KNOWN\n"+
		"db1 bob pts/0 2026-07-01 08:20:00 ws7 now\n"+
		"web1.example.org alice pts/0 2026-07-01 08:10:00 ws7 now\n", "who")
	shows(t, s, "MACHINE USER LINE SINCE FROM KNOWN\n"+
		"db1 bob pts/0 2026-07-01 08:20:00 ws7 now\n", "who", "-user", "bob")

	s.Kill()
	out := login("", "pts/0", "09:00")
	out.Type, out.Host = utmpx.DeadProcess, ""
	web.record("wtmp", out)
	if code := db.kill(syscall.SIGTERM); code != 0 {
		t.Errorf("the agent ended with status %d", code)
	}
	check(t, os.Rename(filepath.Join(db.dir, "wtmp"), filepath.Join(db.dir, "wtmp.1")))
	check(t, os.WriteFile(filepath.Join(db.dir, "wtmp"), nil, 0o600))
	check(t, os.Truncate(filepath.Join(db.dir, "utmp"), 0))
	db.record("wtmp", boot("10:00"))
	s.Restart()
	db.start()

	shows(t, s, "MACHINE USER LINE FROM LOGIN LOGOUT ENDED BY\n"+
		"db1 bob pts/0 ws7 2026-07-01 08:20:00 2026-07-01 08:20:00 to 2026-07-01 10:00:00 crash\n"+
		"web1.example.org alice pts/0 ws7 2026-07-01 08:10:00 2026-07-01 09:00:00 logout\n", "last")
	shows(t, s, "MACHINE TIME EVENT USER LINE DETAIL\n"+
		"db1 2026-07-01 08:20:00 to 2026-07-01 10:00:00 crash - - last-record\n", "crashes")
	shows(t, s, "MACHINE USER LINE FROM LOGIN LOGOUT ENDED BY\n"+
		"web1.example.org alice pts/0 ws7 2026-07-01 08:10:00 2026-07-01 09:00:00 logout\n", "who", "-at", "2026-07-01 08:30", "-host", "web*")
	shows(t, s, "MACHINE USER LINE FROM LOGIN LOGOUT ENDED BY\n"+
		"web1.example.org alice pts/0 ws7 2026-07-01 08:10:00 2026-07-01 09:00:00 logout\n", "at", "-host", "web*", "2026-07-01 08:30")
	shows(t, s, "MACHINE STATE SESSIONS BOOTED CRASHES GAPS LAST KNOWN\n"+
		"app1 present 0 2026-07-01 08:00:00 0 0 NOW\n"+
		"db1 present 0 2026-07-01 10:00:00 1 0 NOW\n"+
		"web1.example.org present 1 2026-07-01 08:00:00 0 0 NOW\n", "hosts")
	code, lines, _ := call("events", "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds"), "-json")
	n := 0
	id := regexp.MustCompile("^[0-9a-f]{16}$")
	ids := map[string]bool{}
	for line := range strings.Lines(lines) {
		n++
		var e struct {
			Machine   string
			MachineID string `json:"machine_id"`
			BootID    string `json:"boot_id"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Machine == "" || !id.MatchString(e.MachineID) || !id.MatchString(e.BootID) {
			t.Errorf("%v: %q", err, line)
		}
		ids[e.MachineID] = true
	}
	if len(ids) != 3 {
		t.Errorf("three machines have the ids %v", ids)
	}
	if code != 0 || n != 9 { // 4 boots, 2 logins, 2 logouts, a crash
		t.Errorf("status %d, %d events\n%s", code, n, lines)
	}
}

// TestFollow: what happens is shown as it happens.
func TestFollow(t *testing.T) {
	s := lab.Start(t)
	m := newMachine(t, s, "web1")
	m.record("wtmp", boot("08:00"))
	m.start()
	shows(t, s, "MACHINE TIME EVENT USER LINE DETAIL\nweb1 2026-07-01 08:00:00 boot - - 6.12\n", "events")
	follow := exec.Command(os.Args[0], "events", "-follow", "-since", "2026-07-01", "-json", "-user", "alice", "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds"))
	follow.Env = append(os.Environ(), "UTMPFLEET_PROGRAM=1")
	out, err := follow.StdoutPipe()
	check(t, err)
	check(t, follow.Start())
	defer func() { _ = follow.Process.Kill() }()
	lines := bufio.NewScanner(out)
	took := time.Hour
	for i := range 40 {
		began := time.Now()
		m.record("wtmp", login("alice", "pts/0", fmt.Sprintf("08:%02d", 10+i)))
		m.record("wtmp", login("bob", "pts/1", fmt.Sprintf("08:%02d", 10+i)))
		for want := fmt.Sprintf(`"time":"2026-07-01T08:%02d:00Z"`, 10+i); ; {
			if !lines.Scan() {
				t.Fatal("it ended")
			}
			if strings.Contains(lines.Text(), "bob") {
				t.Fatal(lines.Text())
			}
			if strings.Contains(lines.Text(), `"login"`) && strings.Contains(lines.Text(), want) {
				break
			}
		}
		took = min(took, time.Since(began))
	}
	t.Log("from login to line, the shortest:", took)
	check(t, follow.Process.Signal(syscall.SIGTERM))
	if lines.Scan() {
		t.Errorf("%q", lines.Text())
	}
	if err := follow.Wait(); err != nil {
		t.Error(err)
	}
}

// TestFollowInterrupted: while events are followed the server is killed, twice, and loses what
// it had acknowledged. Each event is shown once.
func TestFollowInterrupted(t *testing.T) {
	s := lab.Start(t)
	web, db := newMachine(t, s, "web1"), newMachine(t, s, "db1")
	for _, m := range []*machine{web, db} {
		m.record("wtmp", boot("08:00"))
		m.start()
	}
	reader := filepath.Join(s.Dir, "reader.creds")
	follow := exec.Command(os.Args[0], "events", "-follow", "-since", "2026-07-01", "-json", "-server", s.URL(), "-creds", reader)
	follow.Env = append(os.Environ(), "UTMPFLEET_PROGRAM=1")
	follow.Stderr = os.Stderr
	out, err := follow.StdoutPipe()
	check(t, err)
	check(t, follow.Start())
	defer func() { _ = follow.Process.Kill() }()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
	}()
	seen := map[string]bool{}
	shown := func(n int) {
		t.Helper()
		for len(seen) < n {
			select {
			case l, ok := <-lines:
				if !ok || seen[l] {
					t.Fatalf("ended: %v, or twice: %s", !ok, l)
				}
				seen[l] = true
			case <-time.After(time.Minute):
				t.Fatalf("after a minute there are %d of %d events: %v", len(seen), n, seen)
			}
		}
	}
	shown(2)
	web.record("wtmp", login("alice", "pts/0", "08:10"))
	shown(3)
	s.Kill()
	store, kept := filepath.Join(s.Dir, "store"), filepath.Join(t.TempDir(), "store")
	check(t, os.CopyFS(kept, os.DirFS(store)))
	web.record("wtmp", login("alice", "pts/1", "08:11"))
	s.Restart()
	shown(4)
	web.record("wtmp", login("alice", "pts/2", "08:12"))
	web.record("wtmp", login("alice", "pts/3", "08:13"))
	shown(6)

	s.Kill()
	check(t, os.RemoveAll(store))
	check(t, os.CopyFS(store, os.DirFS(kept)))
	check(t, web.cmd.Process.Signal(syscall.SIGSTOP))
	db.record("wtmp", login("bob", "pts/0", "08:10")) // it takes the place of one that was shown
	s.Restart()
	shown(7)
	check(t, web.cmd.Process.Signal(syscall.SIGCONT))
	web.record("wtmp", login("alice", "pts/4", "08:14"))
	shown(8)
	check(t, follow.Process.Signal(syscall.SIGTERM))
	for l := range lines {
		t.Errorf("%q", l)
	}
	if err := follow.Wait(); err != nil {
		t.Error(err)
	}
	if stored := s.Stored(wire.Events); len(stored) != 8 {
		t.Errorf("%d events are stored", len(stored))
	}
}

// TestOlderThanKept: a session whose login the server no longer has is still known.
func TestOlderThanKept(t *testing.T) {
	s := lab.Start(t, "-max-age", "3s")
	m := newMachine(t, s, "web1")
	m.record("wtmp utmp", login("alice", "pts/0", "08:10"))
	m.start()
	shows(t, s, "MACHINE TIME EVENT USER LINE DETAIL\nweb1 2026-07-01 08:10:00 login alice pts/0 ws7\n", "events")
	shows(t, s, "MACHINE TIME EVENT USER LINE DETAIL\n", "events")
	shows(t, s, "MACHINE USER LINE FROM LOGIN LOGOUT ENDED BY\n"+
		"web1 alice pts/0 ws7 2026-07-01 08:10:00 - open\n", "who", "-at", "now")
}

// TestSilent: sessions of a host that is not there are shown as last known.
func TestSilent(t *testing.T) {
	s := lab.Start(t)
	m := newMachine(t, s, "web1")
	m.record("utmp", login("alice", "pts/0", "08:10"))
	m.start()
	shows(t, s, "MACHINE USER LINE SINCE FROM KNOWN\nweb1 alice pts/0 2026-07-01 08:10:00 ws7 now\n", "who")
	m.kill(syscall.SIGKILL)
	s.Kill() // presence is in its memory
	s.Restart()
	shows(t, s, "MACHINE USER LINE SINCE FROM KNOWN\nweb1 alice pts/0 2026-07-01 08:10:00 ws7 last known NOW\n", "who")
}

// TestUnread: a host that cannot tell who is on is no host without users.
func TestUnread(t *testing.T) {
	s := lab.Start(t)
	m := newMachine(t, s, "web1")
	check(t, os.Remove(filepath.Join(m.dir, "utmp")))
	m.start()
	shows(t, s, "MACHINE USER LINE SINCE FROM KNOWN\nutmpfleet: web1: there is no "+filepath.Join(m.dir, "utmp")+
		"\nutmpfleet: who: of some hosts it is not known\nexit 1\n", "who")
}

// TestHostile: what a host sends reaches a terminal as printable text alone.
func TestHostile(t *testing.T) {
	s := lab.Start(t)
	nc := s.Connect(keys.Host, "eve")
	evil := `\u001b[2J\u202e\u0085` + "\u202e\u009b"
	for subject, body := range map[string]string{
		wire.Subject("eve", "login", "x"): `{"schema":1,` + "\n" + `"id":"1","event":"login","time":"2026-07-01T08:00:00Z","machine":"eve","user":"` + evil + `","line":"` + evil + `","host":"` + evil + `"}`,
		wire.Subject("eve", "boot", ""):   evil,
		wire.OnSubject("eve", 0):          `{"unread":"` + evil + `","sessions":[{"user":"` + evil + `","line":"` + evil + `"}]}`,
	} {
		if _, err := nc.Request(subject, []byte(body), 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"who"}, {"who", "-json"}, {"last"}, {"last", "-json"}, {"events"}, {"events", "-json"}, {"hosts"}, {"hosts", "-json"}} {
		_, out, errs := call(append([]string{args[0], "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds")}, args[1:]...)...)
		if strings.ContainsAny(out+errs, "\x1b\u202e\u0085\u009b") || args[0] != "hosts" && !strings.Contains(out, "202e") && !strings.Contains(out, `\xe2\x80\xae`) {
			t.Errorf("%q: %q %q", args, out, errs)
		}
	}
}

// TestUsage: faults of the command line.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"whom"}, {"who", "-at", "never"}, {"at"}, {"at", "never"}, {"who", "-host", "["}, {"last", "-since", "x"}, {"events", "-type", "x"}, {"enroll"}, {"who", "extra"}} {
		if code, _, errs := call(args...); code != 2 || errs == "" {
			t.Errorf("%q: status %d, %q", args, code, errs)
		}
	}
	dir := t.TempDir()
	if code, _, errs := call("enroll", "-dir", dir, "web1"); code != 1 || !strings.Contains(errs, "utmpfleet-server starts first") {
		t.Errorf("status %d, %q", code, errs)
	}
	if code, _, errs := call("who", "-creds", filepath.Join(dir, "none")); code != 1 || !strings.Contains(errs, "credentials") {
		t.Errorf("status %d, %q", code, errs)
	}
}
