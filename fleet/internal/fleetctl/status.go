// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/streams"
)

// status is what a server and its fleet are like.
type status struct {
	streams         []streams.Use
	present, silent int
	sessions        int
	took            time.Duration // the question who is on
}

// prepareStatus is the command status.
func prepareStatus(in *call) func([]string) error {
	q := &question{call: in}
	q.options(in, defaultServerDir+"/reader.creds")
	check := in.flags.Bool("check", false, "print one line and exit as a plug-in of Nagios or Icinga does: 1 warning, 2 critical")
	most := in.flags.Int("silent", -1, "warn if more than `N` hosts are silent; -1: never")
	patience := in.flags.Duration("timeout", 10*time.Second, "give up after `DURATION`")
	metrics := in.flags.Bool("metrics", false, "print metrics for Prometheus, such as for node_exporter's textfile collector")
	return func([]string) error {
		s, err := within(*patience, q)
		switch {
		case *metrics:
			if err != nil {
				return err
			}
			return s.metrics(in)
		case *check && err != nil:
			fmt.Fprintln(in.stdout, "CRITICAL -", text(err.Error()))
			return exitError(2)
		case err != nil:
			return err
		}
		warnings := s.warnings(*most)
		if *check {
			return s.check(in, warnings)
		}
		return s.show(in, warnings)
	}
}

// within looks for a time at most, whatever the server or the network does: a monitoring
// check must end.
func within(patience time.Duration, q *question) (s status, err error) {
	ctx, stop := context.WithTimeoutCause(q.ctx, patience, fmt.Errorf("no answer from %s within %v", q.url, patience))
	defer stop()
	q.ctx = ctx
	type found struct {
		status
		err error
	}
	done := make(chan found, 1)
	go func() {
		var f found
		f.err = q.ask(func(c *ask.Client) error { return f.look(q, c) })
		done <- f
	}()
	select {
	case f := <-done:
		if f.err != nil && ctx.Err() != nil {
			f.err = context.Cause(ctx)
		}
		return f.status, f.err
	case <-ctx.Done():
		return s, context.Cause(ctx)
	}
}

func (s *status) look(q *question, c *ask.Client) (err error) {
	if s.streams, err = c.Streams(q.ctx); err != nil {
		return err
	}
	began := time.Now()
	hosts, err := c.Who(q.ctx, ask.Filter{})
	s.took = time.Since(began)
	for _, h := range hosts {
		if h.State == ask.Present {
			s.present++
			s.sessions += len(h.Sessions)
		} else {
			s.silent++
		}
	}
	return err
}

// warnings returns what is not well.
func (s *status) warnings(silent int) (all []string) {
	for _, u := range s.streams {
		if u.Part() >= streams.Full {
			all = append(all, fmt.Sprintf("%s is %d %% full: when it is full, the oldest go; see utmpfleet streams -max-bytes", u.Name, u.Part()))
		}
		if u.Lagging > 0 {
			all = append(all, fmt.Sprintf("%s: %d of %d nodes are away or behind", u.Name, u.Lagging, u.Replicas))
		}
	}
	if silent >= 0 && s.silent > silent {
		all = append(all, fmt.Sprintf("%d hosts are silent", s.silent))
	}
	return all
}

func (s *status) check(in *call, warnings []string) error {
	said := fmt.Sprintf("hosts: %d present, %d silent; sessions: %d; events: %d, %d %%", s.present, s.silent, s.sessions, s.streams[0].Messages, s.streams[0].Part())
	data := fmt.Sprintf("present=%d silent=%d sessions=%d events=%d bytes=%dB", s.present, s.silent, s.sessions, s.streams[0].Messages, s.streams[0].Bytes)
	if len(warnings) > 0 {
		fmt.Fprintf(in.stdout, "WARNING - %s | %s\n", strings.Join(warnings, "; "), data)
		return exitError(1)
	}
	fmt.Fprintf(in.stdout, "OK - %s | %s\n", said, data)
	return nil
}

func (s *status) show(in *call, warnings []string) error {
	fmt.Fprintf(in.stdout, "hosts: %d present, %d silent\nsessions: %d\n\n", s.present, s.silent, s.sessions)
	t := newTable(in.stdout, "STREAM", "MESSAGES", "BYTES", "MOST", "USED", "KEPT FOR", "NODES")
	for _, u := range s.streams {
		kept := ""
		if u.Age > 0 {
			kept = u.Age.Round(time.Second).String()
		}
		t.row(u.Name, fmt.Sprint(u.Messages), streams.Size(u.Bytes), streams.Size(uint64(max(0, u.Most))), fmt.Sprint(u.Part(), "%"), kept, fmt.Sprint(u.Replicas))
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(in.stderr, "utmpfleet:", w)
	}
	if len(warnings) > 0 {
		return exitError(1)
	}
	return nil
}

// metrics prints the metrics as Prometheus reads them.
func (s *status) metrics(in *call) error {
	var b strings.Builder
	head := func(name, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s gauge\n", name, help) }
	head("utmpfleet_hosts", "Hosts by whether their agents are connected.")
	fmt.Fprintf(&b, "utmpfleet_hosts{state=\"present\"} %d\nutmpfleet_hosts{state=\"silent\"} %d\n", s.present, s.silent)
	head("utmpfleet_sessions", "Sessions that are on, on the hosts that are present.")
	fmt.Fprintf(&b, "utmpfleet_sessions %d\n", s.sessions)
	head("utmpfleet_question_seconds", "How long the question took who is on, on all hosts.")
	fmt.Fprintf(&b, "utmpfleet_question_seconds %g\n", s.took.Seconds())
	for _, m := range []struct {
		name, help string
		of         func(streams.Use) any
	}{
		{"utmpfleet_stream_messages", "Messages that a stream holds.", func(u streams.Use) any { return u.Messages }},
		{"utmpfleet_stream_bytes", "Bytes that a stream holds.", func(u streams.Use) any { return u.Bytes }},
		{"utmpfleet_stream_max_bytes", "Bytes that a stream may hold.", func(u streams.Use) any { return u.Most }},
		{"utmpfleet_stream_lagging_nodes", "Nodes of a stream that are away or behind.", func(u streams.Use) any { return u.Lagging }},
	} {
		head(m.name, m.help)
		for _, u := range s.streams {
			fmt.Fprintf(&b, "%s{stream=%q} %v\n", m.name, u.Name, m.of(u))
		}
	}
	_, err := in.stdout.Write([]byte(b.String()))
	return err
}
