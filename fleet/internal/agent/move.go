// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"errors"
	"time"
)

// wrongLast is the code of a refusal by a server that is well: the stream's last event of this
// host is another one.
const wrongLast = 10071

// missed is called after each failure to send. At the second one in a row the agent goes to
// another node of the cluster, if it knows one: its own may hang, or be cut off from the
// others without knowing it. The first one is what every agent has when the leader changes.
func (a *Agent) missed(err error) {
	var refused *refusal
	if errors.As(err, &refused) && refused.Code == wrongLast {
		a.misses.Store(0)
		return
	}
	if a.misses.Add(1) < 2 || !a.others() || !a.nc.IsConnected() {
		return
	}
	a.misses.Store(0)
	a.Log.Warn("this server does not take events; another one is tried", "server", a.nc.ConnectedUrlRedacted())
	_ = a.nc.ForceReconnect() // an error is that it is closed
}

// others reports whether there is another server to go to.
func (a *Agent) others() bool { return len(a.nc.Servers()) > 1 }

// patience is how long an answer is waited for: after a miss shorter, where there is another
// server to go to. There it is the whole time again, so that a slow cluster is no failure.
func (a *Agent) patience() time.Duration {
	if a.misses.Load() > 0 && a.others() {
		return a.Answer / 4
	}
	return a.Answer
}
