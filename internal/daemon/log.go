// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"utmpd.dev/utmpd/internal/logging"
)

// logger is the log, which must be closed.
type logger struct {
	*slog.Logger
	io.Closer
}

// keptLines is how many lines the status shows while the log takes none.
const keptLines = 5

// failing returns why the log takes no lines, and the last of them; "" if it takes them.
func (l logger) failing() (lines, why string) {
	s, ok := l.Closer.(*logging.Syslog)
	if !ok {
		return "", ""
	}
	last, err := s.Failing(keptLines)
	if err == nil {
		return "", ""
	}
	return strings.Join(last, "\n") + "\n", strings.ReplaceAll(err.Error(), "\n", "; ")
}

// dropped returns how many lines nobody took since the start.
func (l logger) dropped() int {
	if c, ok := l.Closer.(interface{ Dropped() int }); ok {
		return c.Dropped()
	}
	return 0
}

// journalLog is the log of -foreground where standard error is the journal: by the journal's
// own protocol. It reports false if the journal has no socket here, as in a chroot.
func journalLog() (logger, bool) {
	log, journal, err := logging.NewJournal(logging.JournalSocket, "utmpd", slog.LevelInfo, messageID)
	if err != nil {
		return logger{}, false
	}
	return logger{log, journal}, true
}

// terminalLog is the log of -debug and -foreground. Its reader, a pipe or the journal, may
// stop to read, and nothing waits for it.
func terminalLog(f flags, stdout, stderr io.Writer) logger {
	to, newLog := stderr, func(w io.Writer) *slog.Logger {
		file, _ := stderr.(*os.File)
		journal := file != nil && logging.ToJournal(os.Getenv, file)
		return logging.NewForeground(w, slog.LevelInfo, journal)
	}
	if f.debug {
		to, newLog = stdout, func(w io.Writer) *slog.Logger { return logging.NewDebug(w, slog.LevelDebug) }
	}
	if file, _ := stderr.(*os.File); !f.debug && file != nil && logging.ToJournal(os.Getenv, file) {
		if l, ok := journalLog(); ok {
			return l
		}
	}
	queue := logging.NewQueue(to, logging.Lost(newLog(to).Handler()))
	return logger{newLog(queue), queue}
}

// syslogLog is the log of the daemon. Until it is ready, somebody may wait at the
// terminal, who must see the warnings too: early keeps them.
func syslogLog(early *warnings) logger {
	log, closer := logging.NewSyslog("utmpd", slog.LevelInfo)
	terminal := logging.NewForeground(early, slog.LevelWarn, false)
	return logger{slog.New(both{log.Handler(), terminal.Handler()}), closer}
}

// warnings keeps log lines until they are taken, and none afterwards.
type warnings struct {
	mu    sync.Mutex
	text  bytes.Buffer
	taken bool
}

func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.taken {
		w.text.Write(p)
	}
	return len(p), nil
}

func (w *warnings) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken = true
	return w.text.String()
}

// both gives each log line to two handlers.
type both [2]slog.Handler

func (b both) Enabled(ctx context.Context, level slog.Level) bool {
	return b[0].Enabled(ctx, level) || b[1].Enabled(ctx, level)
}

func (b both) Handle(ctx context.Context, r slog.Record) error {
	for _, h := range b {
		if h.Enabled(ctx, r.Level) {
			_ = h.Handle(ctx, r) // there is no other place to log that a log fails
		}
	}
	return nil
}

func (b both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return both{b[0].WithAttrs(attrs), b[1].WithAttrs(attrs)}
}

func (b both) WithGroup(name string) slog.Handler {
	return both{b[0].WithGroup(name), b[1].WithGroup(name)}
}
