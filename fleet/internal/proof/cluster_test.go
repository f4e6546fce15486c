// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

var onlyFault = flag.String("fault", "", "with -long: only this one of TestCluster")

// TestCluster breaks one node of three in each way while agents send. Whatever happens, each
// event is in the stream once. How long no event was acknowledged is reported.
func TestCluster(t *testing.T) {
	t.Parallel()
	faults, n, full := []string{"follower killed", "leader killed"}, 3, (*disk)(nil)
	stores := []string{}
	if *long {
		n = 12
		faults = append(faults, "leader partitioned", "follower partitioned", "disk full")
		if *onlyFault != "" {
			faults = []string{*onlyFault}
		}
		full = newDisk(t, 48<<20)
		stores = append(stores, filepath.Join(full.dir, "store"))
	}
	c := newCluster(t, stores...)
	js := c.reader(c.urls())

	var hosts []*host
	for i := range n {
		h := newHost(t, fmt.Sprint("web", i))
		hosts = append(hosts, h)
		// As utmpfleet's own, but for the pauses, which are for many agents.
		start(t, h, agent.Config{URL: c.url(i % 3), Creds: c.creds(h.name), Boot: "b", Answer: 10 * time.Second, Retry: 3 * time.Second})
	}
	arrive := func() {
		t.Helper()
		wait(t, "all events are in the stream", func() bool {
			stored, err := storedIn(js)
			return err == nil && !slices.ContainsFunc(hosts, func(h *host) bool { return !h.arrived(stored) })
		})
	}
	arrive()
	var first uint64
	for _, fault := range faults {
		wait(t, "the stream can be read", func() bool {
			stored, err := storedIn(js)
			first = uint64(len(stored))
			return err == nil
		})
		stop := keepHappening(hosts)
		t.Cleanup(stop)
		wait(t, "a few events", func() bool { stored, err := storedIn(js); return err == nil && uint64(len(stored)) > first+20 })
		from := time.Now()
		heal, there := c.fault(fault, js, full)
		// Until each host has told something new, with the node still away.
		wait(t, fault+": acknowledgements", func() bool { return eachSince(there, hosts, from) })
		heal()
		stop()
		arrive()
		all, worst := silence(js, t, int(first), from)
		t.Logf("%s: without an acknowledgement for any host %.1f s, for one host %.1f s at most; %d events", fault, all.Seconds(), worst.Seconds(), count(hosts))
	}
}

// reader returns a connection that reads.
func (c *cluster) reader(urls string) jetstream.JetStream {
	c.t.Helper()
	nc, err := c.connect(keys.Reader, "reader", urls)
	check(c.t, err)
	c.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	check(c.t, err)
	return js
}

// fault breaks a node, and returns what mends it, and how to read meanwhile.
func (c *cluster) fault(what string, js jetstream.JetStream, full *disk) (heal func(), there jetstream.JetStream) {
	c.t.Helper()
	leader := -1
	wait(c.t, "there is a leader", func() bool { leader = c.leader(js); return leader >= 0 })
	victim := leader
	switch what {
	case "follower killed", "follower partitioned":
		victim = (leader + 1) % 3
	}
	switch what {
	case "follower killed", "leader killed":
		c.nodes[victim].kill()
		return func() { c.start(victim) }, js
	case "leader partitioned", "follower partitioned":
		c.partition(victim, true)
		return func() { c.partition(victim, false) }, c.reader(c.url((victim + 1) % 3))
	}
	ballast := filepath.Join(full.dir, "other")
	full.fill(ballast)
	return func() {
		check(c.t, os.Remove(ballast))
		c.nodes[0].kill() // as somebody does who has made room
		c.start(0)
	}, js
}

// keepHappening writes to the logs until it is stopped.
func keepHappening(hosts []*host) (stop func()) {
	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !over.Load() {
			for _, h := range hosts {
				h.happen(1)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return sync.OnceFunc(func() {
		over.Store(true)
		<-done
	})
}

func count(hosts []*host) (n int) {
	for _, h := range hosts {
		n += len(h.want)
	}
	return n
}

// storedIn returns all events that the stream has.
func storedIn(js jetstream.JetStream) ([]jetstream.Msg, error) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	return lab.Read(ctx, js, wire.Events)
}

// eachSince reports whether something of each host was stored since a time. The agents of a
// node that is cut off go to another one for that.
func eachSince(js jetstream.JetStream, hosts []*host, since time.Time) bool {
	stored, err := storedIn(js)
	if err != nil {
		return false
	}
	have := map[string]bool{}
	for _, m := range stored {
		if meta, err := m.Metadata(); err == nil && meta.Timestamp.After(since.Add(time.Second)) {
			have[wire.HostOf(m.Subject())] = true
		}
	}
	return len(have) == len(hosts)
}

// silence returns the longest time without an event, of all hosts and of one, around a fault.
func silence(js jetstream.JetStream, t testing.TB, first int, from time.Time) (all, worst time.Duration) {
	t.Helper()
	var stored []jetstream.Msg
	wait(t, "the stream can be read", func() (ok bool) {
		var err error
		stored, err = storedIn(js)
		return err == nil
	})
	last, lastOf := from, map[string]time.Time{}
	for _, m := range stored[first:] {
		meta, err := m.Metadata()
		check(t, err)
		host := wire.HostOf(m.Subject())
		if at := meta.Timestamp; at.After(from) {
			all = max(all, at.Sub(last))
			if before, ok := lastOf[host]; ok {
				worst = max(worst, at.Sub(before))
			}
			last = at
		}
		lastOf[host] = meta.Timestamp
	}
	return all, worst
}
