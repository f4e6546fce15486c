// SPDX-License-Identifier: BSD-2-Clause

package ask_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// loser is a dialer whose connections lose what is sent to subjects, once for each.
type loser []*lost

type lost struct {
	subject string // what it begins with
	is      atomic.Bool
}

func (l loser) Dial(network, addr string) (net.Conn, error) {
	c, err := net.Dial(network, addr)
	return &losing{c, l}, err
}

type losing struct {
	net.Conn
	loser
}

// Write sends what is lost to a subject that nobody may write: nobody answers that.
func (c *losing) Write(b []byte) (int, error) {
	for _, l := range c.loser {
		if bytes.Contains(b, []byte(l.subject)) && l.is.CompareAndSwap(false, true) {
			b = bytes.Replace(b, []byte(l.subject), []byte(strings.Repeat("X", len(l.subject)-1)+"."), 1)
		}
	}
	return c.Conn.Write(b)
}

// TestLost: as long as nothing has come of its answer, a question that was lost on the way, as
// in a cluster that changes its leader, is asked again.
func TestLost(t *testing.T) {
	for _, q := range []struct {
		name string
		lost []string
	}{
		{"who is there", []string{"$JS.API.CONSUMER.CREATE." + wire.Presence + "."}},
		{"who is on", []string{"$JS.API.CONSUMER.CREATE." + wire.On + "."}},
		{"what to send", []string{"$JS.API.CONSUMER.MSG.NEXT." + wire.On + "."}},
		{"the events", []string{"$JS.API.CONSUMER.CREATE." + wire.Events + ".", "$JS.API.CONSUMER.MSG.NEXT." + wire.Events + "."}},
	} {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			s := lab.Start(t)
			web := s.Connect(keys.Host, "web1")
			put(t, web, wire.BeatSubject("web1"), "{}")
			put(t, web, wire.OnSubject("web1", 0), `{"sessions":[{"user":"alice","line":"pts/0","pid":1}]}`)
			login(t, web, "web1", "alice", "pts/0", day("08:00"))
			var way loser
			for _, subject := range q.lost {
				way = append(way, &lost{subject: subject})
			}
			quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
			c, err := ask.New(s.Connect(keys.Reader, "reader", nats.SetCustomDialer(way), quiet), func(err error) { t.Error(err) })
			check(t, err)

			hosts, err := c.Who(t.Context(), ask.Filter{})
			if err != nil || len(hosts) != 1 || hosts[0].State != ask.Present || len(hosts[0].Sessions) != 1 {
				t.Errorf("%v %v", hosts, err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			var seen []string
			check(t, c.Events(ctx, ask.Filter{Follow: true, Since: time.Unix(0, 0)}, func(e *ask.Event) {
				if seen = append(seen, *e.User); len(seen) == 1 {
					login(t, web, "web1", "bob", "pts/1", day("09:00"))
				} else {
					stop()
				}
			}))
			if got := strings.Join(seen, " "); got != "alice bob" {
				t.Errorf("followed %q", got)
			}
			for _, l := range way {
				if !l.is.Load() {
					t.Errorf("nothing was sent to %s", l.subject)
				}
			}
		})
	}
}

// TestRequests: a server of its own is asked as little as can be: to make a consumer, to send,
// and to remove the consumer.
func TestRequests(t *testing.T) {
	s := lab.Start(t)
	web := s.Connect(keys.Host, "web1")
	put(t, web, wire.BeatSubject("web1"), "{}")
	put(t, web, wire.OnSubject("web1", 0), `{"sessions":[]}`)
	nc := s.Connect(keys.Reader, "reader")
	c, err := ask.New(nc, func(err error) { t.Error(err) })
	check(t, err)
	before := nc.Stats().OutMsgs
	_, err = c.Who(t.Context(), ask.Filter{})
	check(t, err)
	if n := nc.Stats().OutMsgs - before; n != 6 {
		t.Errorf("%d requests for two streams, want 6", n)
	}
}
