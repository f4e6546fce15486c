// SPDX-License-Identifier: BSD-2-Clause

package ask_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/ask"
)

// TestElsewhere: a question that a cluster cannot answer now, or that a node answers which does
// not lead the stream, or did not when it looked, is asked again. The answers are as NATS gives
// them, without the fields that nobody reads.
func TestElsewhere(t *testing.T) {
	const (
		not    = `{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`
		none   = `{"error":{"code":404,"err_code":10059,"description":"stream not found"}}`
		n1     = `{"name":"c","num_pending":0,"config":{"filter_subjects":["x"]},"ts":"2026-07-01T08:00:10Z","cluster":{"leader":"n1"}}`
		n1Once = `{"name":"c","num_pending":0,"config":{"filter_subjects":["x"]},"ts":"2026-07-01T08:00:00Z","cluster":{"leader":"n1"}}`
		n2     = `{"name":"c","num_pending":0,"config":{"filter_subjects":["x"]},"ts":"2026-07-01T08:00:10Z","cluster":{"leader":"n2"}}`
		leads  = `{"config":{"name":"UTMP"},"cluster":{"leader":"n1","leader_since":"2026-07-01T08:00:05Z","replicas":[{"name":"n2","lag":7}]}}`
	)
	s, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: natsd.RANDOM_PORT, NoLog: true, NoSigs: true})
	check(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("it did not start")
	}
	for _, q := range []struct {
		name    string
		answers []string // the last one again and again
		asked   int32
		want    string // error
	}{
		{"the leader", []string{n1}, 1, ""},
		{"not now", []string{not, not, n1}, 3, ""},
		{"another node", []string{n2, n2, n1}, 3, ""},
		{"a leader since then", []string{n1Once, n1}, 2, ""},
		{"no such stream", []string{none}, 1, "read UTMP: nats: API error: code=404 err_code=10059 description=stream not found"},
		{"never the leader", []string{n2}, 0, `read UTMP: the node n2 answers, which may lack what "n1" has, which leads; it has 7 entries still to receive`},
	} {
		t.Run(q.name, func(t *testing.T) {
			api, err := nats.Connect(s.ClientURL())
			check(t, err)
			defer api.Close()
			var asked atomic.Int32
			for subject, answer := range map[string]func() string{
				"$JS.API.CONSUMER.CREATE.>": func() string { return q.answers[min(int(asked.Add(1)), len(q.answers))-1] },
				"$JS.API.CONSUMER.DELETE.>": func() string { return `{"success":true}` },
				"$JS.API.STREAM.INFO.>":     func() string { return leads },
			} {
				_, err := api.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond([]byte(answer())) })
				check(t, err)
			}
			check(t, api.Flush())
			nc, err := nats.Connect(s.ClientURL())
			check(t, err)
			defer nc.Close()
			c, err := ask.New(nc, func(err error) { t.Error(err) })
			check(t, err)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if q.asked == 0 { // it is given up
				time.AfterFunc(time.Second/2, stop)
			}
			err = c.Events(ctx, ask.Filter{}, func(*ask.Event) {})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if strings.TrimSpace(got) != q.want || q.asked > 0 && asked.Load() != q.asked {
				t.Errorf("asked %d times: %q", asked.Load(), got)
			}
		})
	}
}
