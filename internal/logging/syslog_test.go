// SPDX-License-Identifier: BSD-2-Clause

//go:build !solaris

package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logd is a simulated logger of the system, which can be missing or refuse lines.
type logd struct {
	mu    sync.Mutex
	err   error // of dialling and sending
	tries int
	lines []string
	open  int
}

func (d *logd) dial() (conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tries++; d.err != nil {
		return nil, d.err
	}
	d.open++
	return d, nil
}

var lineHead = regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d utmpd\[\d+\]: level=[A-Z]+ `)

func (d *logd) send(_ int, line []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return d.err
	}
	d.lines = append(d.lines, lineHead.ReplaceAllString(string(line), ""))
	return nil
}

func (d *logd) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
	return nil
}

func (d *logd) setErr(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *logd) take() (lines []string, tries int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines, tries = d.lines, d.tries
	d.lines, d.tries = nil, 0
	return lines, tries
}

func TestSyslogKeepsTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &logd{err: os.ErrNotExist}
		s := newSyslog("utmpd", d.dial)
		l := slog.New(&handler{level: slog.LevelInfo, write: s.write})
		check := func(name string, want []string, maxTries int) {
			t.Helper()
			lines, tries := d.take()
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Errorf("%s (-want +got)\n%s", name, diff)
			}
			if tries > maxTries {
				t.Errorf("%s: %d tries, want at most %d", name, tries, maxTries)
			}
		}
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		for i := range 3 {
			l.Info("early", "n", i)
		}
		check("away", nil, 1)
		pass(5 * time.Minute)
		check("still away", nil, 35)
		d.setErr(nil)
		pass(pauseMax)
		check("there", []string{"msg=early n=0", "msg=early n=1", "msg=early n=2"}, 1)
		l.Info("at once")
		check("at once", []string{`msg="at once"`}, 0)

		d.setErr(os.ErrDeadlineExceeded)
		for i := range maxPending + 2 {
			l.Info("flood", "n", i)
		}
		check("not read", nil, 0)
		d.setErr(nil)
		pass(pauseMax)
		lines, _ := d.take()
		if len(lines) != maxPending+1 || lines[0] != `msg="log lines lost" lines=2` ||
			lines[1] != "msg=flood n=2" || lines[maxPending] != fmt.Sprintf("msg=flood n=%d", maxPending+1) {
			t.Errorf("after a flood: %d lines: %q", len(lines), lines)
		}

		d.setErr(syscall.ECONNREFUSED)
		l.Info("last words")
		check("restarting", nil, 1)
		d.setErr(nil)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		check("closed", []string{`msg="last words"`}, 1)
		l.Info("too late")
		pass(time.Minute)
		check("after the end", nil, 0)
		if err := s.Close(); err != nil || d.open != 0 {
			t.Errorf("second Close: %v, %d connections open", err, d.open)
		}
	})
}

func TestSyslogCloseReportsLoss(t *testing.T) {
	d := &logd{err: os.ErrNotExist}
	s := newSyslog("utmpd", d.dial)
	slog.New(&handler{level: slog.LevelInfo, write: s.write}).Info("unheard")
	if err := s.Close(); err == nil || !strings.HasPrefix(err.Error(), "logging: syslog: ") {
		t.Errorf("Close: %v, want an error with the prefix logging: syslog", err)
	}
}

// socketLog returns a logger to the socket at path.
func socketLog(path string) (*slog.Logger, *Syslog) {
	s := newSyslog("utmpd", func() (conn, error) { return dialSockets(path) })
	return slog.New(&handler{level: slog.LevelInfo, write: s.write}), s
}

const lineWant = `^<28>[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d utmpd\[\d+\]: level=WARN msg="pipe flooded" pid=7`

func TestSyslogDatagram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, s := socketLog(path)
	defer s.Close()
	// The logger is restarted between the lines.
	for range 2 {
		d, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		l.Warn("pipe flooded", "pid", 7)
		b := make([]byte, 1024)
		d.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := d.Read(b)
		if err != nil || !regexp.MustCompile(lineWant+"$").Match(b[:n]) {
			t.Errorf("got %q, %v", b[:n], err)
		}
		d.Close()
		os.Remove(path)
	}
}

// TestSyslogSlowMachine: the machine is too slow for any limit, and the logger is there.
func TestSyslogSlowMachine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c, err := dialWithin(time.Nanosecond, path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestSyslogStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l, s := socketLog(path)
	defer s.Close()
	l.Warn("pipe flooded", "pid", 7)
	c, err := d.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 1024)
	n, err := c.Read(b)
	if err != nil || !regexp.MustCompile(lineWant+"\n$").Match(b[:n]) {
		t.Errorf("got %q, %v", b[:n], err)
	}
}

// TestSyslogNeverBlocks logs to a socket that nobody reads.
func TestSyslogNeverBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l, s := socketLog(path)
	defer s.Close()
	start := time.Now()
	for i := range 20_000 {
		l.Info("flood", "n", i)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("20000 lines took %v, want at most 5 s", took)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) != maxPending || s.lost == 0 {
		t.Errorf("%d lines kept and %d lost, want %d kept and some lost", len(s.pending), s.lost, maxPending)
	}
}

// TestSyslogFailing: whoever asks learns that the lines go nowhere, and has the last.
func TestSyslogFailing(t *testing.T) {
	down := true
	s := newSyslog("utmpd", func() (conn, error) {
		if down {
			return nil, errors.New("no logger")
		}
		return nowhere{}, nil
	})
	log := slog.New(&handler{level: slog.LevelInfo, write: s.write})
	for _, msg := range []string{"one", "two", "three"} {
		log.Info(msg)
	}
	lines, err := s.Failing(2)
	if err == nil || len(lines) != 2 || !strings.HasSuffix(lines[1], "msg=three") {
		t.Errorf("Failing: %q, %v", lines, err)
	}
	down = false
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if lines, err := s.Failing(2); lines != nil || err != nil {
		t.Errorf("Failing behind a success: %q, %v", lines, err)
	}
}

type nowhere struct{}

func (nowhere) send(int, []byte) error { return nil }
func (nowhere) Close() error           { return nil }
