// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"errors"
	"time"
)

// wrongLast is the code of a refusal by a server that is well: the stream's last event of this
// host is another one.
const wrongLast = 10071

// trouble is that nothing was stored since a time. It belongs to the goroutine that sends.
type trouble struct {
	seq   uint64        // of the last event that was known to be stored
	began time.Time     // the first failure; zero: there is none
	since time.Time     // it began, or another server was gone to
	hold  time.Duration // how long after that another one is gone to
}

// stored takes the number of the last event that is stored.
func (t *trouble) stored(seq uint64) {
	if t.seq != seq {
		*t = trouble{seq: seq}
	}
}

// failed takes a failure, and reports whether to try again soon: while a leader is chosen, or
// this server is one to leave. A cluster that is down for longer is left in peace.
func (t *trouble) failed(now time.Time, answer time.Duration) (soon bool) {
	if t.began.IsZero() {
		t.began, t.since, t.hold = now, now, answer*3/4
	}
	return now.Sub(t.began) < 2*answer
}

// leave reports whether it is time to go to another server. Each time takes twice as long.
func (t *trouble) leave(now time.Time) bool {
	if t.began.IsZero() || now.Sub(t.since) < t.hold {
		return false
	}
	t.since, t.hold = now, 2*t.hold
	return true
}

// missed takes a failure to send, and reports whether to try again soon.
func (a *Agent) missed(err error) bool {
	var refused *refusal
	if errors.As(err, &refused) && refused.Code == wrongLast {
		return false
	}
	return a.trouble.failed(time.Now(), a.Answer) && a.others.Load()
}

// elsewhere goes to another node of the cluster once nothing was stored for so long that the
// others should have a new leader, had they lost theirs. This node may hang, or be cut off from
// the others without knowing it: it takes events then, and never answers.
func (a *Agent) elsewhere() {
	if !a.others.Load() || !a.nc.IsConnected() || !a.trouble.leave(time.Now()) {
		return
	}
	a.Log.Warn("this server does not take events; another one is tried", "server", a.nc.ConnectedUrlRedacted())
	_ = a.nc.ForceReconnect() // an error is that it is closed
}

// patience is how long an answer is waited for. In a cluster it is short: what is sent while the
// leader changes is lost, and to send an event once more does no harm. What was stored meanwhile is
// found then, so that a slow cluster takes events, too.
func (a *Agent) patience() time.Duration {
	if a.others.Load() {
		return a.Answer / 4
	}
	return a.Answer
}
