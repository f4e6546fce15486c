// SPDX-License-Identifier: BSD-2-Clause

package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// TestEachStep: an agent that was killed after any event goes on with the next one, also
// between the events that one record tells.
func TestEachStep(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "whole")
	h.grow(22)
	h.agent(s).until(t)
	h.arrives(s)
	whole := s.Stored(wire.Events)
	for k := range whole {
		name := "h" + strings.Repeat("x", k)
		nc := s.Connect(keys.Host, name)
		for _, m := range whole[:k] {
			again := nats.NewMsg(strings.Replace(m.Subject(), ".whole.", "."+name+".", 1))
			again.Data = []byte(strings.Replace(string(m.Data()), `"whole"`, `"`+name+`"`, 1))
			again.Data = []byte(strings.Replace(string(again.Data), `"m-whole"`, `"m-`+name+`"`, 1))
			if v := m.Headers().Get(wire.Position); v != "" {
				again.Header.Set(wire.Position, v)
			}
			if _, err := nc.RequestMsg(again, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		nc.Close()
		same := *h
		same.name = name
		a := same.agent(s)
		a.until(t)
		a.stop()
		if diff := cmp.Diff(h.want, ids(t, s, name)); diff != "" {
			t.Fatalf("killed after %d events (-want +got)\n%s", k, diff)
		}
	}
}

// until waits until everything was sent.
func (r *running) until(t *testing.T) {
	t.Helper()
	select {
	case <-r.idle:
	case <-time.After(30 * time.Second):
		t.Fatal("not everything was sent in 30 s")
	}
}

// TestTwoAgents: of two agents of one host, such as an old one that did not end, each event
// is in the stream once.
func TestTwoAgents(t *testing.T) {
	s, h := lab.Start(t), newHost(t, "web1")
	h.grow(300)
	h.agent(s)
	h.agent(s)
	h.grow(100)
	h.arrives(s)
	h.grow(10)
	h.arrives(s)
}
