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

// A cluster loses questions: while it forms or changes its leader, and also at rest one of some
// hundred requests for messages, if the consumer is new and on another node than the one that is
// asked. So a question without an answer is asked again, up to patience. Each wait is at least as
// long as all before it: the cluster may only be slow.
const (
	answer   = 3 * time.Second // until a consumer is made
	firstOne = time.Second     // and then until there is the first message of those that it has
	patience = 20 * time.Second
)

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

// read reads what a stream has now, or also what comes. As long as nothing came it asks again.
func (c *Client) read(ctx context.Context, what span, each func(m jetstream.Msg, stored time.Time)) error {
	began := time.Now()
	for n := 1; ; n++ {
		answered, err := c.readOnce(ctx, what, time.Since(began), each)
		if err == nil {
			return nil
		}
		over := answered || !askAgain(err) || time.Since(began) > patience-time.Second
		if !over {
			select {
			case <-ctx.Done():
				over = true
			case <-time.After(time.Millisecond << min(n/4, 9)):
			}
		}
		if over {
			return fmt.Errorf("read %s: %w", what.stream, err)
		}
	}
}

// askAgain reports whether a question that failed may be answered if it is asked again.
func askAgain(err error) bool {
	var api *jetstream.APIError
	var other *otherNode
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &other) || errors.As(err, &api) && api.Code == 503
}

// readOnce asks once. waited is how long was waited before. answered is set if some of the answer
// came, or what.ready was called.
func (c *Client) readOnce(ctx context.Context, what span, waited time.Duration, each func(m jetstream.Msg, stored time.Time)) (answered bool, err error) {
	within := func(least time.Duration) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, min(max(least, waited), patience-waited))
	}
	making, stop := within(answer)
	defer stop()
	cfg := jetstream.ConsumerConfig{
		FilterSubjects: what.subjects, DeliverPolicy: what.from, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, InactiveThreshold: 30 * time.Second,
	}
	if !what.since.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &what.since
	}
	consumer, err := c.js.CreateConsumer(making, what.stream, cfg)
	if err != nil {
		return false, err
	}
	info := consumer.CachedInfo()
	defer func() {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		defer stop()
		_ = c.js.DeleteConsumer(ctx, what.stream, info.Name) // else it goes by itself
	}()
	if err := c.leads(making, what.stream, info); err != nil {
		return false, err
	}
	left := info.NumPending
	begin := func() {
		if !answered && what.ready != nil {
			what.ready(info.Created)
		}
		answered = true
	}
	if left == 0 {
		if begin(); what.ready == nil {
			return true, nil
		}
	}
	all, err := consumer.Messages(jetstream.PullMaxMessages(4096), jetstream.PullExpiry(4*heartbeat), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return answered, err
	}
	defer all.Stop()
	next := ctx // without something that is there, it may take any time until something comes
	if left > 0 {
		next, stop = within(firstOne)
		defer stop()
	}
	for n := uint64(1); ; n++ {
		m, err := all.Next(jetstream.NextContext(next))
		if err != nil {
			return answered, err
		}
		begin()
		next = ctx
		meta, err := m.Metadata()
		if err != nil {
			return true, err
		}
		if meta.Sequence.Consumer != n {
			return true, errLost
		}
		if !what.until.IsZero() && meta.Timestamp.After(what.until) {
			return true, nil
		}
		each(m, meta.Timestamp)
		if what.ready == nil && (meta.NumPending == 0 || n == left) {
			return true, nil
		}
	}
}

// otherNode is a node of a cluster that answered, and does not lead the stream.
type otherNode struct {
	node, leader string
	behind       uint64
}

func (e *otherNode) Error() string {
	return fmt.Sprintf("the node %s answers, which may lack what %q has, which leads; it has %d entries still to receive", e.node, e.leader, e.behind)
}

// leads returns an error if a consumer was made where something may be missing that was
// acknowledged. In a cluster only the stream's leader surely has all: it acknowledges what it has
// applied. Other nodes apply it later, one that was away much later, and the leader knows only
// what they have received (Lag), not what their consumers see. On which node a consumer is made
// is up to chance.
func (c *Client) leads(ctx context.Context, stream string, made *jetstream.ConsumerInfo) error {
	if made.Cluster == nil {
		return nil // a server of its own
	}
	s, err := c.js.Stream(ctx, stream) // its leader answers
	if err != nil {
		return err
	}
	is := s.CachedInfo().Cluster
	if is == nil || is.Leader == made.Cluster.Leader && (is.LeaderSince == nil || !made.TimeStamp.Before(*is.LeaderSince)) {
		return nil
	}
	e := &otherNode{node: made.Cluster.Leader, leader: is.Leader}
	for _, r := range is.Replicas {
		if r.Name == e.node {
			e.behind = r.Lag
		}
	}
	return e
}
