// SPDX-License-Identifier: BSD-2-Clause

package ask_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

var scaleHosts = flag.Int("scale", 300, "how many hosts TestScale has")

// TestScale: how long a question takes of many hosts with 20 sessions each.
func TestScale(t *testing.T) {
	s := lab.Start(t, "-max-bytes", "1G")
	n := *scaleHosts
	for i := range n {
		name := fmt.Sprintf("host%05d", i)
		nc := s.Connect(keys.Host, name)
		piece := wire.Sessions{Time: time.Now(), Sessions: []wire.Session{}}
		for k := range 20 {
			since := time.Now()
			piece.Sessions = append(piece.Sessions, wire.Session{User: fmt.Sprint("user", (i*20+k)%5000), Line: fmt.Sprint("pts/", k), Host: "desk.example.org", PID: int32(k), Since: &since})
		}
		b, err := json.Marshal(piece)
		check(t, err)
		check(t, nc.Publish(wire.BeatSubject(name), []byte("{}")))
		if _, err := nc.RequestMsg(&nats.Msg{Subject: wire.OnSubject(name, 0), Data: b}, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	c, _ := client(t, s)
	for _, q := range []struct {
		name   string
		filter ask.Filter
		hosts  int
		most   time.Duration
	}{
		{"all", ask.Filter{}, n, time.Second},
		{"a user", ask.Filter{User: "user7"}, n, time.Second},
		{"a host", ask.Filter{Host: "host00007"}, 1, 250 * time.Millisecond},
	} {
		best, sessions := time.Hour, 0
		for range 5 {
			began := time.Now()
			hosts, err := c.Who(t.Context(), q.filter)
			best = min(best, time.Since(began))
			check(t, err)
			if len(hosts) != q.hosts {
				t.Errorf("%s: %d hosts, want %d", q.name, len(hosts), q.hosts)
			}
			sessions = 0
			for _, h := range hosts {
				sessions += len(h.Sessions)
			}
		}
		t.Logf("%d hosts: %s: %v, %d sessions", n, q.name, best, sessions)
		if best > q.most {
			t.Errorf("%s: %v", q.name, best)
		}
	}
}
