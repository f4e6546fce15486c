// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// throughput is one measurement of how fast a server takes in events.
type throughput struct {
	rate            float64 // events a second, while all connections send
	server, clients time.Duration
	bytes           int // of an event, as it is sent
}

// measureThroughput compares agents, which send a backlog, with a bare publisher that has as
// many connections, one message in flight on each, and sends as many messages of the same
// size. They take turns, each pair at a server of its own. What counts is the time in which
// all connections send: from the first event of the last to begin to the last of the first
// to end.
func measureThroughput(t *testing.T, rounds, agents, logins int) {
	h := newHost(t, "backlog")
	h.happen(logins)
	var ratios []float64
	all := map[string][]throughput{}
	for round := range rounds {
		s := lab.Start(t, "-max-bytes", "2G", "-max-per-subject", "1000000")
		one := map[string]throughput{}
		size := 442 // as those of the agents, which may come second
		for turn := range 2 {
			what := []string{"agents", "bare"}[(round+turn)%2]
			command := fmt.Sprint("bare ", agents, " ", len(h.want), " ", size)
			if what == "agents" {
				dir := t.TempDir()
				for i := range agents {
					files := filepath.Join(dir, fmt.Sprintf("agent%d-%d", round, i))
					check(t, os.Mkdir(files, 0o700))
					for _, f := range []string{"wtmp", "utmp"} {
						check(t, os.Link(h.file(f), filepath.Join(files, f)))
					}
				}
				command = fmt.Sprint("agents ", agents, " ", round, " ", dir)
			}
			one[what] = takeIn(t, s, command, agents, agents*len(h.want))
			if what == "agents" {
				size = one[what].bytes
			}
		}
		s.Kill()
		if one["agents"].rate == 0 || one["bare"].rate == 0 {
			t.Log("at no time did all connections send")
			continue
		}
		ratios = append(ratios, one["agents"].rate/one["bare"].rate)
		for what, m := range one {
			all[what] = append(all[what], m)
		}
	}
	if len(ratios) == 0 {
		return
	}
	slices.Sort(ratios)
	cost := func(m throughput) float64 { return float64(m.server + m.clients) }
	var costs []float64
	for i := range all["agents"] {
		costs = append(costs, cost(all["bare"][i])/cost(all["agents"][i]))
	}
	slices.Sort(costs)
	t.Logf("%d agents beside a bare publisher, %d times: median %.2f of its events a second (%.2f to %.2f); %.2f of its events in the same processor time (%.2f to %.2f)", agents, len(ratios),
		ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1], costs[len(costs)/2], costs[0], costs[len(costs)-1])
	for what, list := range all {
		slices.SortFunc(list, func(a, b throughput) int { return int(a.rate - b.rate) })
		m := list[len(list)/2]
		t.Logf("%s: median %.0f events a second, each %d bytes; processor time of each: %v in the server, %v in the clients", what, m.rate, m.bytes, m.server, m.clients)
	}
}

func takeIn(t *testing.T, s *lab.Server, command string, connections, events int) (m throughput) {
	before := len(s.Stored(wire.Events))
	crowd := newRemote(t, s)
	server, _ := use(t, s.PID())
	crowd.do(command)
	server2, _ := use(t, s.PID())
	clients, _ := use(t, crowd.cmd.Process.Pid)
	_ = crowd.cmd.Process.Kill()
	m.server, m.clients = (server2-server)/time.Duration(events), clients/time.Duration(events)
	type span struct{ first, last time.Time }
	hosts := map[string]*span{}
	var at []time.Time
	stored := s.Stored(wire.Events)[before:]
	for _, one := range stored {
		meta, err := one.Metadata()
		check(t, err)
		h := hosts[wire.HostOf(one.Subject())]
		if h == nil {
			h = &span{first: meta.Timestamp}
			hosts[wire.HostOf(one.Subject())] = h
		}
		h.last = meta.Timestamp
		at = append(at, h.last)
		m.bytes += len(one.Data())
	}
	if len(stored) != events || len(hosts) != connections {
		t.Fatalf("%s: %d events of %d, of %d hosts", command, len(stored), events, len(hosts))
	}
	m.bytes /= events
	var from, to time.Time
	for _, h := range hosts {
		if h.first.After(from) {
			from = h.first
		}
		if to.IsZero() || h.last.Before(to) {
			to = h.last
		}
	}
	n := 0
	for _, t := range at {
		if t.After(from) && !t.After(to) {
			n++
		}
	}
	if n > connections {
		m.rate = float64(n) / to.Sub(from).Seconds()
	}
	return m
}
