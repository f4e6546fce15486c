// SPDX-License-Identifier: BSD-2-Clause

package ask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// heartbeat is how often a server says that it is there while it has nothing to send.
const heartbeat = 5 * time.Second

// span is a part of a stream.
type span struct {
	stream   string
	subjects []string
	from     jetstream.DeliverPolicy
	since    time.Time // by the server's clock, as until; zero: no limit
	until    time.Time
	// ready, if it is set, is called with when reading began, by the server's clock. What comes
	// later is read then, too, until something fails.
	ready func(time.Time)
}

var errLost = errors.New("the connection was interrupted; ask again")

// read reads what a stream has now, or also what comes.
func (c *Client) read(ctx context.Context, what span, each func(m jetstream.Msg, stored time.Time)) error {
	wrap := func(err error) error { return fmt.Errorf("read %s: %w", what.stream, err) }
	cfg := jetstream.ConsumerConfig{
		FilterSubjects: what.subjects, DeliverPolicy: what.from, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, InactiveThreshold: 30 * time.Second,
	}
	if !what.since.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &what.since
	}
	consumer, err := c.js.CreateConsumer(ctx, what.stream, cfg)
	if err != nil {
		return wrap(err)
	}
	name := consumer.CachedInfo().Name
	defer func() {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		_ = c.js.DeleteConsumer(ctx, what.stream, name) // else it goes by itself
	}()
	left := consumer.CachedInfo().NumPending
	if what.ready != nil {
		what.ready(consumer.CachedInfo().Created)
	} else if left == 0 {
		return nil
	}
	all, err := consumer.Messages(jetstream.PullMaxMessages(4096), jetstream.PullExpiry(4*heartbeat), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return wrap(err)
	}
	defer all.Stop()
	for n := uint64(1); ; n++ {
		m, err := all.Next(jetstream.NextContext(ctx))
		if err != nil {
			return wrap(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return wrap(err)
		}
		if meta.Sequence.Consumer != n {
			return wrap(errLost)
		}
		if !what.until.IsZero() && meta.Timestamp.After(what.until) {
			return nil
		}
		each(m, meta.Timestamp)
		if what.ready == nil && (meta.NumPending == 0 || n == left) {
			return nil
		}
	}
}
