// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	facilityDaemon = 3 << 3

	// sendLimit limits how long one line waits for the system's logger. After
	// a failure, the next try is pauseMin to pauseMax later.
	sendLimit = 20 * time.Millisecond
	pauseMin  = time.Second
	pauseMax  = 10 * time.Second

	// maxPending is how many lines are kept while the system's logger fails.
	maxPending = 64
)

// NewSyslog returns a logger to the system's log, facility daemon. Each line has
// tag and the pid. It blocks for at most some hundredths of a second: if the
// system's logger does not take a line, the last 64 lines are kept and sent again
// after one to ten seconds, with the number of lines that were lost. Close tries
// to send them once more. Lines logged after Close are lost.
func NewSyslog(tag string, level slog.Leveler) (*slog.Logger, *Syslog) {
	s := newSyslog(tag, dialSyslog)
	return slog.New(&handler{level: level, write: s.write}), s
}

// conn is a connection to the system's logger. Lines have the form "Jan _2
// 15:04:05 tag[pid]: text".
type conn interface {
	send(pri int, line []byte) error // takes at most sendLimit
	Close() error
}

// Syslog is the connection to the system's log. It must be closed.
type Syslog struct {
	tag  string
	pid  int
	dial func() (conn, error)

	mu      sync.Mutex
	conn    conn // nil if there is none
	pending []syslogLine
	lost    int           // lines dropped from pending since the last report
	total   int           // and since the start
	pause   time.Duration // before the next try; 0 if the last one succeeded
	retry   *time.Timer
	failed  error // of the last try
	closed  bool
}

type syslogLine struct {
	pri  int
	text []byte
}

func newSyslog(tag string, dial func() (conn, error)) *Syslog {
	return &Syslog{tag: tag, pid: os.Getpid(), dial: dial}
}

func (s *Syslog) write(r *slog.Record, attrs []byte) error {
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
		s.total++
	}
	if s.pause > 0 {
		return nil // the timer flushes
	}
	s.flush()
	return nil
}

func (s *Syslog) head(t time.Time) []byte {
	return fmt.Appendf(make([]byte, 0, 256), "%s %s[%d]: ", t.Local().Format(time.Stamp), s.tag, s.pid)
}

// flush sends the pending lines and sets the timer if that fails.
func (s *Syslog) flush() {
	if s.failed = s.sendPending(); s.failed == nil {
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

// sendPending sends the pending lines until one fails.
func (s *Syslog) sendPending() error {
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

// send sends one line. If the connection fails, other than by a timeout, the
// system's logger may have been restarted: it is sent on a new connection.
func (s *Syslog) send(l syslogLine) error {
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

// Dropped returns how many lines were lost since the start.
func (s *Syslog) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Failing returns why the system's logger takes no lines at present, and the last of
// those that wait for it, at most n; nil if it takes them.
func (s *Syslog) Failing(n int) (lines []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		return nil, nil
	}
	for _, l := range s.pending[max(0, len(s.pending)-n):] {
		lines = append(lines, string(l.text))
	}
	return lines, s.failed
}

// Close sends the pending lines and closes the connection. A second Close does
// nothing.
func (s *Syslog) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.retry != nil {
		s.retry.Stop()
	}
	err := s.sendPending()
	s.failed = err
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
		s.conn = nil
	}
	if err != nil {
		return fmt.Errorf("logging: syslog: %w", err)
	}
	return nil
}
