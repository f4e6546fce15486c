// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	facilityDaemon = 3 << 3

	// sendLimit bounds how long one line waits for the system's logger; after
	// a line that waited in vain there is a pause of pauseMin at least.
	sendLimit = 20 * time.Millisecond
	pauseMin  = time.Second
	pauseMax  = 10 * time.Second

	// maxPending is how many lines are kept while no one takes them.
	maxPending = 64
)

// NewSyslog returns a logger to the system's log, facility daemon, each line
// with tag and the pid. It never blocks for longer than some hundredths of a
// second: lines that the system's logger does not take are kept, the last 64 of
// them, and offered again after one to ten seconds; how many were lost is told
// then. Close offers them a last time, and what is logged after it is lost.
func NewSyslog(tag string, level slog.Leveler) (*slog.Logger, io.Closer) {
	s := newSyslog(tag, dialSyslog)
	return slog.New(&handler{level: level, write: s.write}), s
}

// conn takes lines of the form "Jan _2 15:04:05 tag[pid]: text".
type conn interface {
	send(pri int, line []byte) error // within sendLimit
	Close() error
}

type syslog struct {
	tag  string
	pid  int
	dial func() (conn, error)

	mu      sync.Mutex
	conn    conn // nil: none yet
	pending []syslogLine
	lost    int           // lines that pending had no room for
	pause   time.Duration // until the next try; 0: none is to be waited for
	retry   *time.Timer
	closed  bool
}

type syslogLine struct {
	pri  int
	text []byte
}

func newSyslog(tag string, dial func() (conn, error)) *syslog {
	return &syslog{tag: tag, pid: os.Getpid(), dial: dial}
}

func (s *syslog) write(r *slog.Record, attrs []byte) error {
	b := s.head(r.Time)
	b = appendText(b, r, attrs)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("logging: closed")
	}
	s.pending = append(s.pending, syslogLine{facilityDaemon | severity(r.Level), b})
	if len(s.pending) > maxPending {
		s.pending = s.pending[:copy(s.pending, s.pending[1:])]
		s.lost++
	}
	if s.pause > 0 {
		return nil // the timer will
	}
	s.flush()
	return nil
}

func (s *syslog) head(t time.Time) []byte {
	return fmt.Appendf(make([]byte, 0, 256), "%s %s[%d]: ", t.Local().Format(time.Stamp), s.tag, s.pid)
}

// flush offers the lines kept and sets the timer if some are left.
func (s *syslog) flush() {
	if s.offer() == nil {
		s.pause = 0
		return
	}
	s.pause = min(max(2*s.pause, pauseMin), pauseMax)
	s.retry = time.AfterFunc(s.pause, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			s.flush()
		}
	})
}

func (s *syslog) offer() error {
	for len(s.pending) > 0 {
		if s.lost > 0 {
			b := fmt.Appendf(s.head(time.Now()), "level=WARN msg=\"log lines lost\" lines=%d", s.lost)
			if err := s.send(syslogLine{facilityDaemon | severity(slog.LevelWarn), b}); err != nil {
				return err
			}
			s.lost = 0
		}
		if err := s.send(s.pending[0]); err != nil {
			return err
		}
		s.pending = s.pending[1:]
	}
	s.pending = nil
	return nil
}

// send gives one line to the connection, and if that is one to a logger that
// was restarted, to a new one.
func (s *syslog) send(l syslogLine) error {
	if s.conn != nil {
		err := s.conn.send(l.pri, l.text)
		if err == nil {
			return nil
		}
		s.conn.Close()
		s.conn = nil
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	c, err := s.dial()
	if err != nil {
		return err
	}
	if err := c.send(l.pri, l.text); err != nil {
		c.Close()
		return err
	}
	s.conn = c
	return nil
}

// Close implements io.Closer.
func (s *syslog) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.retry != nil {
		s.retry.Stop()
	}
	err := s.offer()
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
		s.conn = nil
	}
	if err != nil {
		return fmt.Errorf("logging: syslog: %w", err)
	}
	return nil
}
