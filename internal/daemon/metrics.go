// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/ledger"
	"utmpd.dev/utmpd/internal/metrics"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/status"
	"utmpd.dev/utmpd/internal/table"
)

const (
	// metricsEvery is the least time between two writes of the metrics, heartbeats apart.
	metricsEvery = 15 * time.Second
	// metricsLate is how long after a scan they may be written.
	metricsLate = 30 * time.Second
)

// meter keeps RUN_DIR/metrics. Its fields belong to the goroutine of loop, unless they
// are atomic.
type meter struct {
	file *atomicfile.File // nil: none is written
	due  *time.Timer
	next atomic.Pointer[metrics.Sample] // to be written; nil: it is written
	text metrics.Text                   // of flush; a new one each minute would be most of the garbage at rest

	status  status.Status // the last one
	wrote   time.Time
	waiting bool // something has changed since, and due is set
	samples int

	counts
	shown counts // by the last sample
	crash metrics.Crash

	stepsNow atomic.Int64
	lastStep atomic.Pointer[time.Time]
}

// counts are what the meter counts, which the status does not show.
type counts struct {
	logouts, lost, locked, failed int
	scans, failedScans            int
	steps                         int64 // of the clock, as setMetrics last saw them
}

// newMeter returns a meter that writes nothing without a RUN_DIR. booted is when this boot
// began.
func newMeter(runDir, stateDir string, booted time.Time) *meter {
	m := &meter{due: time.NewTimer(time.Hour)}
	m.due.Stop()
	if runDir != "" {
		m.file = atomicfile.New(filepath.Join(runDir, metrics.File), 0o644)
	}
	if stateDir != "" {
		past, _ := ledger.Read(filepath.Join(stateDir, ledger.File)) // what cannot be read is not known
		m.crash = lastCrash(past, booted)
	}
	return m
}

// lastCrash returns the last crash of the ledger. If it is not known how exact the end of
// that boot is, the system crashed before the next one began.
func lastCrash(past []boots.Past, booted time.Time) metrics.Crash {
	next := booted
	for _, p := range slices.Backward(past) {
		switch {
		case p.End != boots.Crashed:
			next = p.From
		case p.Exact.Known:
			return metrics.Crash{Earliest: p.To, Latest: p.To.Add(p.Exact.Within)}
		default:
			return metrics.Crash{Earliest: p.To, Latest: later(p.To, next)}
		}
	}
	return metrics.Crash{}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// report counts what became of orders.
func (m *meter) report(r session.Report) {
	switch r := r.(type) {
	case session.Ended:
		if r.Logout == session.Appended {
			m.logouts++
		}
	case session.DebtsPaid:
		m.logouts += r.Logouts
	case session.DebtLost:
		m.lost++
	case session.Delayed:
		m.delayed(r.Err)
	case session.PaymentDelayed:
		m.delayed(r.Err)
	}
}

func (m *meter) delayed(err error) {
	var locked *recfile.LockedError
	if errors.As(err, &locked) {
		m.locked++
	} else {
		m.failed++
	}
}

func (m *meter) close() {}

func (m *meter) scanned(ok bool) {
	m.scans++
	if !ok {
		m.failedScans++
	}
}

// stepped counts a step of the clock. It may be called by any goroutine.
func (m *meter) stepped(at time.Time) {
	m.stepsNow.Add(1)
	m.lastStep.Store(&at)
}

// setMetrics takes a sample of the metrics if the status or a count has changed: at each
// heartbeat, a step of the clock and the end at once, else at most each metricsEvery. It
// returns how many samples there were: whoever writes the status then writes the last one.
func (d *daemon) setMetrics(st status.Status) (samples int) {
	m := d.meter
	m.steps = m.stepsNow.Load()
	if m.file == nil || st == m.status && m.counts == m.shown && !m.waiting && st.State != status.Ended {
		return m.samples
	}
	urgent := st.State != m.status.State || st.State == status.Ended || !st.LastHeartbeat.Equal(m.status.LastHeartbeat) ||
		m.steps != m.shown.steps
	m.status = st
	if wait := metricsEvery - time.Since(m.wrote); wait > 0 && !urgent {
		if !m.waiting {
			m.waiting = true
			m.due.Reset(wait)
		}
		return m.samples
	}
	m.due.Stop()
	m.wrote, m.waiting, m.shown = time.Now(), false, m.counts
	sample := d.sample(st)
	m.next.Store(&sample)
	m.samples++
	return m.samples
}

// flush writes the last sample unless it is written. The goroutine that writes the status
// calls it, and again after an error.
func (m *meter) flush() error {
	s := m.next.Swap(nil)
	if s == nil {
		return nil
	}
	m.text.Reset()
	s.AppendTo(&m.text)
	err := m.file.Write(atomicfile.Bytes(m.text.Bytes()))
	if err != nil {
		m.next.CompareAndSwap(nil, s)
	}
	return err
}

// sample returns how the daemon is doing.
func (d *daemon) sample(st status.Status) metrics.Sample {
	m := d.meter
	c, tally := d.table.Counts(), d.table.Tally()
	left := make([]metrics.Count, len(tally.Left))
	all := 0
	for why, n := range tally.Left {
		left[why] = metrics.Count{Kind: table.Reason(why).String(), N: n}
		all += n
	}
	// A heartbeat that fails, or -n, changes nothing that is shown; a scan does.
	within := max(d.cfg.WtmpxUpdateFreq, d.cfg.ScanPeriod)
	dying := c.Dying - tally.Left[table.Hidden]
	s := metrics.Sample{
		Up: st.State != status.Ended, Written: time.Now(), Within: within + metricsLate,
		Started: st.Started, Version: st.Version, DryRun: st.DryRun,
		Sessions: []metrics.Count{
			{Kind: "asked", N: c.Asking}, {Kind: "watched", N: c.Watched}, {Kind: "unwatched", N: c.Unwatched},
			{Kind: "dying", N: dying}, {Kind: "left", N: all},
			{Kind: "marked", N: c.Sessions - c.Asking - c.Watched - c.Unwatched - dying - all},
		},
		Left: left, Led: tally.Led,
		Owed: c.Owed, Waiting: c.Waiting,
		Hung: d.hangs.hung(), Late: d.pace.lateN,
		Readable: st.UtmpxError == "" || d.reading.missing, Notices: st.NoticeError == "", Logged: st.LogError == "",
		Cleaned: c.Cleaned, Logouts: m.logouts, LostLogouts: m.lost,
		DelayedLocked: m.locked, DelayedFailed: m.failed,
		DroppedLines: d.log.dropped(),
		Scans:        m.scans, FailedScans: m.failedScans, ClockSteps: int(m.steps),
		HasPipe: st.HasPipe, Requests: st.Requests, BadRequests: st.BadRequests,
		LastScan: st.LastScan, LastHeartbeat: st.LastHeartbeat, LastClean: st.LastClean,
		LastClockStep: *cmp.Or(m.lastStep.Load(), &time.Time{}),
		Crash:         m.crash,
	}
	if d.bridge != nil {
		s.Recorded = len(*d.bridge.own.Load())
	}
	return s
}
