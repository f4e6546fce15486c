// SPDX-License-Identifier: BSD-2-Clause

// Package lab runs real servers, in processes of their own that can be killed, for tests.
package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/server"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

const (
	role    = "UTMPFLEET_LAB"
	largest = "UTMPFLEET_LAB_LARGEST"
)

// Main runs the tests of a package, or is the server for one.
func Main(m *testing.M) int {
	if os.Getenv(role) == "server" {
		go func() { // it ends with the test, however that ends
			_, _ = io.Copy(io.Discard, os.Stdin)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}()
		if n, err := strconv.ParseUint(os.Getenv(largest), 10, 64); err == nil {
			limit := syscall.Rlimit{Cur: n, Max: n}
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 3
			}
		}
		return server.Main(os.Args[1:], os.Stdout, os.Stderr)
	}
	return m.Run()
}

// Server is a server process.
type Server struct {
	t    testing.TB
	Dir  string
	Addr string
	args []string
	cmd  *exec.Cmd
	log  sync.Map // lines that it logged
	// Largest is how large its files may be, in bytes, so that writing fails; 0: no limit.
	Largest int

	plain bool
}

// Start starts a server on a free port of loopback.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return StartIn(t, t.TempDir(), args...)
}

// StartIn starts a server that keeps everything in a directory.
func StartIn(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	return start(t, &Server{Dir: dir, args: args})
}

// Plain starts a server with its own limits, not small ones.
func Plain(t testing.TB) *Server {
	t.Helper()
	return start(t, &Server{Dir: t.TempDir(), plain: true})
}

func start(t testing.TB, s *Server) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.t, s.Addr = t, l.Addr().String()
	l.Close()
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// Ports returns free ports of a loopback address for the nodes of a cluster, which must know them
// beforehand. On Linux the address is the test's own, so that nobody else is given them meanwhile.
func Ports(t testing.TB, n int) (host string, ports []int) {
	t.Helper()
	host = "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(256), 1+rand.N(254))
	}
	for range n {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // once all are known: else one is given twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return host, ports
}

// Restart starts it after Kill. Somebody else may have its port for a moment: a client that
// connects to it can be given it.
func (s *Server) Restart() {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		ready, err := s.try()
		if err == nil && ready {
			return
		}
		if !s.Said("address already in use") || time.Now().After(end) {
			s.t.Fatalf("the server did not start: %v", err)
		}
		_ = s.cmd.Wait()
		s.log.Clear()
		time.Sleep(200 * time.Millisecond)
	}
}

func (s *Server) try() (bool, error) {
	args := []string{"-dir", s.Dir, "-listen", s.Addr}
	if !s.plain {
		args = append(args, "-max-bytes", "64M", "-max-per-subject", "4096")
	}
	s.cmd = exec.Command(os.Args[0], append(args, s.args...)...)
	s.cmd.Env = append(os.Environ(), role+"=server")
	if s.Largest > 0 {
		s.cmd.Env = append(s.cmd.Env, fmt.Sprint(largest, "=", s.Largest))
	}
	if _, err := s.cmd.StdinPipe(); err != nil {
		return false, err
	}
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return false, err
	}
	if err := s.cmd.Start(); err != nil {
		return false, err
	}
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "ready") {
				ready <- true
			}
			s.log.Store(lines.Text(), true)
			if testing.Verbose() {
				os.Stderr.WriteString("server: " + lines.Text() + "\n")
			}
		}
		close(ready)
	}()
	select {
	case ok := <-ready:
		return ok, nil
	case <-time.After(30 * time.Second):
		return false, context.DeadlineExceeded
	}
}

// Kill kills it with SIGKILL.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// PID returns its process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Said reports whether it logged a text.
func (s *Server) Said(text string) (said bool) {
	s.log.Range(func(line, _ any) bool {
		said = said || strings.Contains(line.(string), text)
		return true
	})
	return said
}

// Lines returns what it logged.
func (s *Server) Lines() (all []string) {
	s.log.Range(func(line, _ any) bool {
		all = append(all, line.(string))
		return true
	})
	return all
}

// Ended waits until it has ended by itself, and returns its exit status.
func (s *Server) Ended() int {
	s.t.Helper()
	late := time.AfterFunc(30*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	_ = s.cmd.Wait()
	code := s.cmd.ProcessState.ExitCode()
	s.cmd = nil
	return code
}

// URL is where it listens.
func (s *Server) URL() string { return "nats://" + s.Addr }

// Creds returns a creds file.
func (s *Server) Creds(role keys.Role, name string) string {
	s.t.Helper()
	ring, err := keys.Open(filepath.Join(s.Dir, "keys"))
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := ring.Creds(role, name)
	if err != nil {
		s.t.Fatal(err)
	}
	file := filepath.Join(s.t.TempDir(), "creds")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// Connect connects as a user.
func (s *Server) Connect(role keys.Role, name string, opts ...nats.Option) *nats.Conn {
	s.t.Helper()
	opts = append(opts, nats.UserCredentials(s.Creds(role, name)), nats.CustomInboxPrefix("_INBOX."+wire.Token(name)))
	nc, err := nats.Connect(s.URL(), opts...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	return nc
}

// Stored returns what a stream holds, oldest first.
func (s *Server) Stored(stream string) []jetstream.Msg {
	s.t.Helper()
	nc := s.Connect(keys.Reader, "lab")
	defer nc.Close()
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := Read(ctx, js, stream)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// Read returns what a stream holds, oldest first. It leaves nothing behind in the server.
func Read(ctx context.Context, js jetstream.JetStream, stream string) (all []jetstream.Msg, err error) {
	c, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: 10 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		_ = js.DeleteConsumer(ctx, stream, c.CachedInfo().Name) // else it goes by itself
	}()
	n := c.CachedInfo().NumPending
	if n == 0 {
		return nil, nil
	}
	it, err := c.Messages()
	if err != nil {
		return nil, err
	}
	defer it.Stop()
	for uint64(len(all)) < n {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("after %d of %d: %w", len(all), n, err)
		}
		all = append(all, m)
	}
	return all, nil
}
