// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/table"
)

// lookEvery is the least time between two looks at what was appended to the wtmpx file.
// A session that is shorter is found dead, by its pid.
const lookEvery = time.Second

// logWatch has the Cleaner look at the wtmpx file when it was appended to: some logins
// stand there alone.
type logWatch struct {
	notifier scanner.Notifier
	look     func()
	failed   func(error) // called once until it works again, and then with nil
	notices  chan struct{}
	again    chan struct{} // try the notifier again
}

func (d *daemon) newLogWatch() *logWatch {
	return &logWatch{
		notifier: d.on.appends(d.cfg.WtmpxFile), look: d.cleaner.Look,
		notices: make(chan struct{}, 1), again: make(chan struct{}, 1),
		failed: func(err error) {
			if err == nil {
				d.reading.toggles.Log(slog.LevelInfo, "logins", "notification of logins again", "file", d.cfg.WtmpxFile)
				return
			}
			d.reading.toggles.Log(slog.LevelWarn, "no logins", "no notification of logins: those in the wtmpx file alone are found only every SCAN_PERIOD seconds", "file", d.cfg.WtmpxFile, "error", err)
		},
	}
}

// run gives notices until ctx ends. If the notifier fails, it tries again at the next
// periodic reading, which looks too.
func (l *logWatch) run(ctx context.Context) {
	failing := false
	for {
		var first sync.Once
		err := l.notifier.Run(ctx, func() {
			first.Do(func() {
				if failing {
					l.failed(nil)
				}
				failing = false
			})
			l.notice()
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		if !failing {
			l.failed(err)
		}
		failing = true
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-l.again:
		}
	}
}

func (l *logWatch) notice() {
	select {
	case l.notices <- struct{}{}:
	default:
	}
}

// pass passes notices on until ctx ends, and many in a row as one.
func (l *logWatch) pass(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.notices:
		}
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		l.look()
		next.Reset(lookEvery)
	}
}

// periodic looks at the log whether there was a notice or not.
func (l *logWatch) periodic() {
	select {
	case l.again <- struct{}{}:
	default:
	}
	l.look()
}

// loginsOpened passes logins of the wtmpx file on to the table.
func (d *daemon) loginsOpened(open cleaner.OpenLogins) {
	d.emit(input{time.Now(), []table.Event{table.LoggedIn{Logins: open.Logins, All: open.All}}})
}
