// SPDX-License-Identifier: BSD-2-Clause

package fleetctl_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// TestRevoke: a host that was revoked is disconnected, and cannot come back, also after the
// server was started again. Others are not touched, and it can be enrolled again.
func TestRevoke(t *testing.T) {
	s := lab.Start(t)
	web, db := newMachine(t, s, "web1"), newMachine(t, s, "db1")
	for _, m := range []*machine{web, db} {
		m.record("utmp wtmp", login("alice", "pts/0", "09:00"))
		m.start()
	}
	shows(t, s, "MACHINE USER LINE SINCE FROM KNOWN\ndb1 alice pts/0 2026-07-01 09:00:00 ws7 now\nweb1 alice pts/0 2026-07-01 09:00:00 ws7 now\n", "who")
	ended := make(chan error, 4)
	open, err := nats.Connect(s.URL(), nats.UserCredentials(web.creds), nats.CustomInboxPrefix("_INBOX.web1"), nats.NoReconnect(),
		nats.ClosedHandler(func(nc *nats.Conn) { ended <- nc.LastError() }))
	check(t, err)
	defer open.Close()
	other, err := nats.Connect(s.URL(), nats.UserCredentials(db.creds), nats.CustomInboxPrefix("_INBOX.db1"), nats.NoReconnect())
	check(t, err)
	defer other.Close()

	if code, out, errs := call("revoke", "-dir", s.Dir, "web2"); code != 1 || out != "" || !strings.Contains(errs, "never enrolled") {
		t.Errorf("web2: %d %q %q", code, out, errs)
	}
	if code, out, errs := call("revoke", "-dir", s.Dir, "web1"); code != 0 || out != "web1: 1 revoked\n" || errs != "" {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	select {
	case err := <-ended:
		t.Log(err)
	case <-time.After(20 * time.Second):
		t.Fatal("its connection did not end")
	}
	stranger := func() {
		t.Helper()
		if nc, err := nats.Connect(s.URL(), nats.UserCredentials(web.creds)); err == nil {
			nc.Close()
			t.Error("it came back")
		}
	}
	stranger()
	if !other.IsConnected() {
		t.Error("another host was disconnected")
	}
	s.Kill()
	s.Restart()
	stranger()

	again := filepath.Join(t.TempDir(), "creds")
	if code, out, errs := call("enroll", "-dir", s.Dir, "-o", again, "web1"); code != 0 {
		t.Fatal(out, errs)
	}
	nc, err := nats.Connect(s.URL(), nats.UserCredentials(again))
	check(t, err)
	nc.Close()
}

// TestStreams: how much is kept is changed by a command while the server runs, and stays so
// when it is started again.
func TestStreams(t *testing.T) {
	s := lab.Plain(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "events are kept for 9600h0m0s, up to 4.0G, on 1 nodes; of one host up to 3542 of a kind\n"},
		{[]string{"-max-age", "48h"}, "events are kept for 48h0m0s, up to 4.0G, on 1 nodes; of one host up to 3542 of a kind\n"},
		{[]string{"-max-bytes", "64M"}, "events are kept for 48h0m0s, up to 64.0M, on 1 nodes; of one host up to 55 of a kind\n"},
		{[]string{"-share", "50"}, "events are kept for 48h0m0s, up to 64.0M, on 1 nodes; of one host up to 8 of a kind\n"},
		{[]string{"-max-bytes", "128M"}, "events are kept for 48h0m0s, up to 128.0M, on 1 nodes; of one host up to 16 of a kind\n"},
		{[]string{"-max-bytes", "64M", "-share", "8"}, "events are kept for 48h0m0s, up to 64.0M, on 1 nodes; of one host up to 55 of a kind\n"},
	} {
		code, out, errs := call(append([]string{"streams", "-server", s.URL(), "-dir", s.Dir}, c.args...)...)
		if code != 0 || out != c.want || errs != "" {
			t.Errorf("%v: %d %q %q", c.args, code, out, errs)
		}
	}
	s.Kill()
	s.Restart()
	_, out, _ := call("streams", "-server", s.URL(), "-dir", s.Dir)
	if want := "events are kept for 48h0m0s, up to 64.0M, on 1 nodes; of one host up to 55 of a kind\n"; out != want {
		t.Errorf("after a restart: %q", out)
	}
	for _, bad := range [][]string{{"-max-bytes", "x"}, {"-max-bytes", "1"}, {"-max-age", "-1h"}, {"more"}} {
		if code, _, errs := call(append([]string{"streams", "-dir", s.Dir}, bad...)...); code != 2 || errs == "" {
			t.Errorf("%v: %d %q", bad, code, errs)
		}
	}
}

// TestStatus: what an operator, a monitoring check and Prometheus are told.
func TestStatus(t *testing.T) {
	s := lab.Start(t)
	m := newMachine(t, s, "web1")
	m.record("utmp wtmp", login("alice", "pts/0", "09:00"))
	m.start()
	newMachine(t, s, "db1")
	nc := s.Connect(keys.Host, "db1")
	check(t, nc.Publish(wire.OnSubject("db1", 0), []byte(`{"sessions":[]}`)))
	check(t, nc.Flush())
	ask := func(args ...string) (int, string) {
		code, out, errs := call(append([]string{"status", "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds")}, args...)...)
		return code, out + errs
	}
	want := regexp.MustCompile(`^OK - hosts: 1 present, 1 silent; sessions: 1; events: 1, 0 % \| present=1 silent=1 sessions=1 events=1 bytes=\d+B\n$`)
	code, got := 0, ""
	for end := time.Now().Add(15 * time.Second); !want.MatchString(got) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		code, got = ask("-check")
	}
	if code != 0 || !want.MatchString(got) {
		t.Fatalf("%d %q", code, got)
	}
	if code, got := ask("-check", "-silent", "0"); code != 1 || !strings.HasPrefix(got, "WARNING - 1 hosts are silent | ") {
		t.Errorf("silent: %d %q", code, got)
	}
	if code, got := ask(); code != 0 || !strings.HasPrefix(got, "hosts: 1 present, 1 silent\nsessions: 1\n\nSTREAM") {
		t.Errorf("%d %q", code, got)
	}
	code, got = ask("-metrics")
	for _, line := range []string{`utmpfleet_hosts{state="present"} 1`, `utmpfleet_sessions 1`, `utmpfleet_stream_messages{stream="UTMP"} 1`, `utmpfleet_stream_max_bytes{stream="UTMP"} 67108864`} {
		if code != 0 || !strings.Contains(got, line+"\n") {
			t.Errorf("no %s in\n%s", line, got)
		}
	}
	m.kill(syscall.SIGTERM)
	s.Kill()
	if code, got := ask("-check"); code != 2 || !strings.HasPrefix(got, "CRITICAL - ") {
		t.Errorf("without a server: %d %q", code, got)
	}
}

// TestStatusEnds: a check ends, also if what is there takes the connection and answers nothing.
func TestStatusEnds(t *testing.T) {
	s := lab.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "INFO {\"server_id\":\"x\",\"version\":\"2.15.0\",\"headers\":true,\"max_payload\":1048576,\"nonce\":\"abc\"}\r\n")
			go func() {
				defer c.Close()
				for in := bufio.NewScanner(c); in.Scan(); {
					if in.Text() == "PING" {
						fmt.Fprint(c, "PONG\r\n")
					}
				}
			}()
		}
	}()
	began := time.Now()
	code, out, _ := call("status", "-check", "-timeout", "1s", "-server", "nats://"+l.Addr().String(), "-creds", filepath.Join(s.Dir, "reader.creds"))
	if took := time.Since(began); code != 2 || !strings.HasPrefix(out, "CRITICAL - no answer from nats://127.0.0.1:") || took > 5*time.Second {
		t.Errorf("status %d after %v: %s", code, took, out)
	}
}

// TestAgentWatchdog: systemd is told that the agent is ready, and that it is well.
func TestAgentWatchdog(t *testing.T) {
	s := lab.Start(t)
	file := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: file, Net: "unixgram"})
	check(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", file)
	t.Setenv("WATCHDOG_USEC", "2000000")
	newMachine(t, s, "web1").start()
	check(t, l.SetReadDeadline(time.Now().Add(20*time.Second)))
	b := make([]byte, 4096)
	for i, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
		n, err := l.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Fatalf("%d: %q %v", i, b[:n], err)
		}
	}
}

// TestCluster: an existing cluster of three nodes that was told of the fleet has streams on
// all three by one command, and takes events and questions.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	code, config, errs := call("nats-config", "-dir", dir)
	if code != 0 {
		t.Fatal(errs)
	}
	var nodes []*natsd.Server
	var urls []string
	host, ports := lab.Ports(t, 3)
	var routes []string
	for _, p := range ports {
		routes = append(routes, fmt.Sprint(host, ":", p))
	}
	for i := range 3 {
		file := filepath.Join(dir, fmt.Sprint(i, ".conf"))
		check(t, os.WriteFile(file, fmt.Appendf(nil, "%s\nserver_name: n%d\nlisten: 127.0.0.1:-1\njetstream { store_dir: %q, max_file: 1G, max_mem: 256M }\ncluster { name: c, listen: %q, routes: [nats-route://%s] }\n",
			config, i, filepath.Join(dir, fmt.Sprint("store", i)), routes[i], strings.Join(routes, ", nats-route://")), 0o600))
		opts, err := natsd.ProcessConfigFile(file)
		check(t, err)
		opts.NoLog, opts.NoSigs = true, true
		n, err := natsd.NewServer(opts)
		check(t, err)
		n.Start()
		t.Cleanup(func() { n.Shutdown(); n.WaitForShutdown() })
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		if !n.ReadyForConnections(20 * time.Second) {
			t.Fatal("a node did not start")
		}
		urls = append(urls, n.ClientURL())
	}
	for end := time.Now().Add(60 * time.Second); !slices.ContainsFunc(nodes, (*natsd.Server).JetStreamIsLeader); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no node leads")
		}
	}
	url := strings.Join(urls, ",")
	var out string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) { // until all know who leads
		if code, out, errs = call("streams", "-dir", dir, "-server", url, "-replicas", "3", "-max-bytes", "64M"); code == 0 {
			break
		}
	}
	if out != "events are kept for 9600h0m0s, up to 64.0M, on 3 nodes; of one host up to 55 of a kind\n" {
		t.Fatal(out, errs)
	}
	creds := filepath.Join(dir, "web1.creds")
	reader := filepath.Join(dir, "reader.creds")
	for _, args := range [][]string{{"-o", creds, "web1"}, {"-reader", "-o", reader, "me"}} {
		if code, out, errs := call(append([]string{"enroll", "-dir", dir}, args...)...); code != 0 {
			t.Fatal(out, errs)
		}
	}
	nc, err := nats.Connect(url, nats.UserCredentials(creds), nats.CustomInboxPrefix("_INBOX.web1"))
	check(t, err)
	defer nc.Close()
	m, err := nc.Request(wire.OnSubject("web1", 0), []byte(`{"sessions":[{"user":"alice","line":"pts/0"}]}`), 10*time.Second)
	if err != nil || !strings.Contains(string(m.Data), `"seq":1`) {
		t.Fatal(err)
	}
	code, out, errs = call("who", "-server", url, "-creds", reader, "-json")
	if code != 0 || !strings.Contains(out, `"user":"alice"`) {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// TestWatchdog: systemd is told that the server is ready, and then, while it answers, that it
// is well, and what it does.
func TestWatchdog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: file, Net: "unixgram"})
	check(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", file)
	t.Setenv("WATCHDOG_USEC", "60000000")
	lab.Start(t)
	check(t, l.SetReadDeadline(time.Now().Add(20*time.Second)))
	var said []string
	for b := make([]byte, 4096); len(said) < 5; {
		n, err := l.Read(b)
		if err != nil {
			t.Fatalf("%q %v", said, err)
		}
		said = append(said, string(b[:n]))
	}
	want := []string{"READY=1", "STATUS=0 connections; events: 0, 0 % of 64.0M", "WATCHDOG=1"}
	for i, w := range want {
		if said[i] != w {
			t.Errorf("%q, want %q", said, want)
		}
	}
}
