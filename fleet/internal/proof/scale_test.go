// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/utmpx"
)

// TestScale measures. It fails where an answer is wrong, or so late that no busy machine
// explains it; the figures of a quiet machine are in docs/performance.md.
func TestScale(t *testing.T) {
	n, times, idle, rounds, agents, logins := 200, 20, time.Second, 2, 10, 60
	if *long {
		n, times, idle, rounds, agents, logins = 10000, 300, time.Minute, 9, 50, 200
	}
	s := lab.Start(t, "-max-bytes", "2G", "-max-per-subject", "1000000")
	t.Run("questions", func(t *testing.T) { measureQuestions(t, s, n, idle) })
	t.Run("throughput", func(t *testing.T) { measureThroughput(t, rounds, agents, logins) })
	t.Run("latency", func(t *testing.T) { measureLatency(t, s, times, idle) })
}

// remote is a crowd, in a process of its own.
type remote struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

func newRemote(t testing.TB, s *lab.Server) *remote {
	t.Helper()
	cmd := exec.Command(os.Args[0], s.URL(), filepath.Join(s.Dir, "keys"))
	cmd.Env, cmd.Stderr = append(os.Environ(), role+"=crowd"), os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &remote{t, cmd, in, bufio.NewScanner(out)}
}

func (r *remote) do(command string) {
	r.t.Helper()
	fmt.Fprintln(r.in, command)
	if !r.out.Scan() || !strings.HasPrefix(r.out.Text(), "ok ") {
		r.t.Fatalf("%s: %s", command, r.out.Text())
	}
	r.t.Logf("%s: %s", command, r.out.Text()[3:])
}

// use returns what a process has used of processors, and its resident memory in bytes.
func use(t testing.TB, pid int) (cpu time.Duration, resident int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(t, err)
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	for _, i := range []int{11, 12} {
		ticks, err := strconv.Atoi(f[i])
		check(t, err)
		cpu += time.Duration(ticks) * time.Second / 100
	}
	pages, err := strconv.ParseInt(f[21], 10, 64)
	check(t, err)
	return cpu, pages * int64(os.Getpagesize())
}

func measureQuestions(t *testing.T, s *lab.Server, n int, idle time.Duration) {
	_, before := use(t, s.PID())
	crowd := newRemote(t, s)
	crowd.do(fmt.Sprint("connect ", n, " 20"))
	time.Sleep(idle / 6) // what connecting cost is not what resting costs
	servers, _ := use(t, s.PID())
	clients, _ := use(t, crowd.cmd.Process.Pid)
	time.Sleep(idle)
	servers2, after := use(t, s.PID())
	clients2, _ := use(t, crowd.cmd.Process.Pid)
	t.Logf("%d hosts idle for %v: server %.1f %% of a processor, all clients %.1f %%; %d kB of the server a host",
		n, idle, 100*float64(servers2-servers)/float64(idle), 100*float64(clients2-clients)/float64(idle), (after-before)/int64(n)/1024)

	c, err := ask.New(s.Connect(keys.Reader, "reader"), func(err error) { t.Error(err) })
	check(t, err)
	for _, q := range []struct {
		name            string
		filter          ask.Filter
		hosts, sessions int
	}{
		{"all", ask.Filter{}, n, 20 * n},
		{"one user", ask.Filter{User: "user7"}, n, 0},
		{"one host", ask.Filter{Host: "host00007"}, 1, 20},
	} {
		var took []time.Duration
		for range 9 {
			began := time.Now()
			hosts, err := c.Who(t.Context(), q.filter)
			took = append(took, time.Since(began))
			check(t, err)
			sessions := 0
			for _, h := range hosts {
				sessions += len(h.Sessions)
			}
			if len(hosts) != q.hosts || q.sessions > 0 && sessions != q.sessions {
				t.Errorf("%s: %d hosts, %d sessions", q.name, len(hosts), sessions)
			}
		}
		slices.Sort(took)
		t.Logf("who of %d hosts, %s: %v (%v to %v)", n, q.name, took[4], took[0], took[8])
		began := time.Now()
		on, unknown, err := c.At(t.Context(), q.filter, began)
		t.Logf("who -at: %v", time.Since(began))
		if check(t, err); len(unknown) > 0 || q.sessions > 0 && len(on) != q.sessions {
			t.Errorf("%s, at %v: %d sessions, of %d hosts nothing is known", q.name, began, len(on), len(unknown))
		}
		if took[0] > 10*time.Second {
			t.Errorf("%s: %v", q.name, took[0])
		}
	}
}

// measureLatency measures from the logout, in the log, to the line that `events -follow`
// prints.
func measureLatency(t *testing.T, s *lab.Server, times int, idle time.Duration) {
	h := newHost(t, "latency")
	if *long {
		h.happen(20000)
		program = filepath.Join(t.TempDir(), "utmpfleet")
		out, err := exec.Command("go", "build", "-o", program, "../../cmd/utmpfleet").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	a := h.agent(s, s.URL())
	out, w := io.Pipe()
	spawn(t, "utmpfleet", w, nil, nil, "events", "-follow", "-json", "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds"))
	t.Cleanup(func() { out.Close() })
	lines := bufio.NewReader(out)
	line := func(text string) {
		for {
			l, err := lines.ReadString('\n')
			check(t, err)
			if strings.Contains(l, text) {
				return
			}
		}
	}
	h.arrives(s)
	other, there, done := s.Connect(keys.Host, "other"), make(chan struct{}), make(chan struct{})
	go func() { // until the reader is there
		defer close(done)
		for i := 0; ; i++ {
			_, _ = other.Request(wire.Subject("other", "boot", ""), fmt.Appendf(nil, `{"id":"%d","event":"boot","machine":"other"}`, i), time.Second)
			select {
			case <-there:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	line(`"machine":"other"`)
	close(there)
	<-done
	var took []time.Duration
	for range times {
		h.n++
		r := utmpx.Record{Type: utmpx.UserProcess, PID: int32(h.n), Line: "pts/100", ID: "100", User: "alice", Host: "desk"}
		h.write(r)
		line(fmt.Sprintf(`"pid":%d`, h.n))
		r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
		began := time.Now()
		h.write(r)
		line(fmt.Sprintf(`"pid":%d`, h.n))
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	cpu, _ := use(t, a.Process.Pid)
	time.Sleep(idle)
	cpu2, resident := use(t, a.Process.Pid)
	t.Logf("from a logout to events -follow, %d times: median %v, 99 of 100 %v, worst %v", times, took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	t.Logf("an agent, after %d events: %.1f MB resident; idle for %v it used %v", len(h.want)+2*times, float64(resident)/1e6, idle, cpu2-cpu)
	if took[len(took)/2] > 5*time.Second {
		t.Error("that is late")
	}
}
