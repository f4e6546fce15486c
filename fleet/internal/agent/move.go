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
	since time.Time // of the first failure; zero: there is none
	seq   uint64    // of the last event that was known to be stored
}

// stored takes the number of the last event that is stored.
func (t *trouble) stored(seq uint64) {
	if t.seq != seq {
		*t = trouble{seq: seq}
	}
}

// missed takes a failure to send, and reports whether there are other servers to go to: then
// it is tried again soon.
func (a *Agent) missed(err error) bool {
	var refused *refusal
	if errors.As(err, &refused) && refused.Code == wrongLast {
		return false
	}
	if a.trouble.since.IsZero() {
		a.trouble.since = time.Now()
	}
	return a.others.Load()
}

// elsewhere goes to another node of the cluster once nothing was stored for so long that the
// others should have a new leader, had they lost theirs. This node may hang, or be cut off from
// the others without knowing it: it takes events then, and never answers.
func (a *Agent) elsewhere() {
	t := &a.trouble
	if t.since.IsZero() || time.Since(t.since) < a.Answer*3/4 || !a.others.Load() || !a.nc.IsConnected() {
		return
	}
	t.since = time.Time{}
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
