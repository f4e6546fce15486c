// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// TestBehind: a node that answers lacks what was acknowledged, since it is cut off from the
// one that leads the stream, but not from the third. No question is answered without that.
func TestBehind(t *testing.T) {
	t.Parallel()
	c := planCluster(t)
	var nodes []*natsd.Server
	for _, cfg := range c.cfg {
		s, err := newNode(cfg)
		check(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		nodes = append(nodes, s)
	}
	c.makeStreams()
	events := 0
	for round := 1; !c.questionsBehind(nodes, &events); round++ {
		if round == 10 {
			t.Fatal("no node stayed behind while questions were asked")
		}
	}
}

// questionsBehind reports whether a node was behind while questions were asked.
func (c *cluster) questionsBehind(nodes []*natsd.Server, events *int) bool {
	t := c.t
	// The one between the others makes the consumers: it leads them all, and not the stream.
	var between, leader int
	js := c.reader(c.urls())
	wait(t, "one node leads all, another one the stream", func() bool {
		between, leader = slices.IndexFunc(nodes, (*natsd.Server).JetStreamIsLeader), c.leader(js)
		if between >= 0 && leader == between {
			_ = nodes[leader].JetStreamStepdownStream(c.ring.Account.Subject, wire.Events)
		}
		return between >= 0 && leader >= 0 && leader != between && c.behind(js, 3-between-leader) == 0
	})
	far := 3 - between - leader
	reader, err := c.connect(keys.Reader, "asks", c.url(between))
	check(t, err)
	defer reader.Close()
	questions, err := ask.New(reader, func(err error) { t.Error(err) })
	check(t, err)
	web, err := c.connect(keys.Host, "web1", c.url(between))
	check(t, err)
	defer web.Close()

	c.cut(far, leader, true)
	defer c.cut(far, leader, false)
	id := *events + 1
	_, err = web.Request(wire.Subject("web1", "login", "alice"), fmt.Appendf(nil, `{"schema":1,"id":"%d","event":"login","machine":"web1","user":"alice"}`, id), 10*time.Second)
	if err != nil { // a leader changed
		t.Log(err)
		return false
	}
	*events = id
	for range 20 {
		n := 0
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		err := questions.Events(ctx, ask.Filter{}, func(*ask.Event) { n++ })
		stop()
		if err != nil || n != *events {
			t.Fatalf("%d events of %d: %v", n, *events, err)
		}
	}
	return c.leader(js) == leader && c.behind(js, far) > 0
}

// behind returns how far the leader of the stream of events knows a node to be behind; -1: it is
// not known.
func (c *cluster) behind(js jetstream.JetStream, node int) int {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	s, err := js.Stream(ctx, wire.Events)
	if err != nil {
		return -1
	}
	for _, r := range s.CachedInfo().Cluster.Replicas {
		if r.Name == c.cfg[node].Name && (r.Current || r.Lag > 0) {
			return int(r.Lag)
		}
	}
	return -1
}
