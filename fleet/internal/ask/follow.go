// SPDX-License-Identifier: BSD-2-Clause

package ask

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// again is how far before the last event that was read reading begins again after an
// interruption. It begins by time: a server that lost power gives the numbers of events that
// it lost to others. The clocks of a cluster's nodes differ.
const again = 10 * time.Minute

// pause is how long after a failure reading begins again.
const pause = time.Second

var errAgain = errors.New("connected again")

// follow reads a span and what comes later, until ctx ends. After an interruption it goes on
// somewhat before where it was: each can be called with messages that it knows. fromNow
// leaves out what the stream has.
func (c *Client) follow(ctx context.Context, what span, fromNow bool, each func(jetstream.Msg, time.Time)) error {
	if fromNow {
		what.from = jetstream.DeliverNewPolicy
	}
	var began bool
	var first, last time.Time
	what.ready = func(at time.Time) {
		if fromNow && !began {
			first = at.Add(-time.Second)
		}
		began = true
	}
	for {
		err := c.followOnce(ctx, what, func(m jetstream.Msg, stored time.Time) {
			if stored.After(last) {
				last = stored
			}
			each(m, stored)
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case !began || c.nc.IsClosed():
			return err
		}
		if what.since = first; !last.IsZero() && last.Add(-again).After(first) {
			what.since = last.Add(-again)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// followOnce reads over one connection: what the server knew of this reader went with it.
func (c *Client) followOnce(ctx context.Context, what span, each func(jetstream.Msg, time.Time)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.nc.SetReconnectHandler(func(*nats.Conn) { stop(errAgain) })
	return c.read(ctx, what, each)
}

// recent are the events that were read lately: all of the time for which reading begins
// again, unless they are more than twice mostRecent.
type recent struct {
	now, before map[[16]byte]struct{}
	begun       time.Time // now
}

const mostRecent = 1 << 20

// add reports whether an event is none of them.
func (r *recent) add(host, id string, stored time.Time) bool {
	sum := sha256.Sum256([]byte(host + "\x00" + id))
	k := [16]byte(sum[:])
	if _, is := r.before[k]; is {
		return false
	}
	if _, is := r.now[k]; is {
		return false
	}
	if r.now == nil || stored.Sub(r.begun) > 2*again || len(r.now) >= mostRecent {
		r.before, r.now, r.begun = r.now, map[[16]byte]struct{}{}, stored
	}
	r.now[k] = struct{}{}
	return true
}
