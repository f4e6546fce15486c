// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

func TestReadAck(t *testing.T) {
	for _, c := range []struct {
		name, data string
		header     nats.Header
		seq        uint64 // 0: an error
	}{
		{"as the server writes it", `{"stream":"UTMP","seq":17}`, nil, 17},
		{"of a leaf node", `{"stream":"UTMP","domain":"hub","seq":17}`, nil, 17},
		{"with more after it", `{"stream":"UTMP","seq":17,"duplicate":true}`, nil, 17},
		{"with spaces", ` { "stream" : "UTMP" , "seq" : 17 } `, nil, 17},
		{"the largest", `{"stream":"UTMP","seq":18446744073709551615}`, nil, 1<<64 - 1},
		{"too large", `{"stream":"UTMP","seq":18446744073709551616}`, nil, 0},
		{"refused", `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"UTMP","seq":0}`, nil, 0},
		{"refused, with a number", `{"stream":"UTMP","seq":17,"error":{"code":400,"err_code":10071}}`, nil, 0},
		{"cut off", `{"stream":"UTMP","seq":17`, nil, 0},
		{"no number", `{"stream":"UTMP","seq":}`, nil, 0},
		{"not a number", `{"stream":"UTMP","seq":1x}`, nil, 0},
		{"not as JSON has it", `{"stream":"UTMP","seq":017}`, nil, 0},
		{"zero", `{"stream":"UTMP","seq":0}`, nil, 0},
		{"no stream takes it", "", nats.Header{"Status": {"503"}}, 0},
		{"nothing", "", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			seq, err := readAck(&nats.Msg{Data: []byte(c.data), Header: c.header})
			if seq != c.seq || (err == nil) != (c.seq > 0) {
				t.Errorf("%d, %v", seq, err)
			}
		})
	}
}

// TestLateAnswer: an answer to an event that was given up says nothing of the next one, nor
// does an answer that comes twice.
func TestLateAnswer(t *testing.T) {
	s := lab.Start(t)
	a := &Agent{Config: Config{Host: "web1", Answer: 10 * time.Second}, token: "web1", nc: s.Connect(keys.Host, "web1")}
	p, err := a.newPublisher()
	if err != nil {
		t.Fatal(err)
	}
	late := make(chan time.Time, 1)
	late <- time.Now()
	p.late.C = late
	if _, err := p.publish(t.Context(), wire.Subject("web2", "login", "alice"), []byte(`{}`), "", 0); !errors.Is(err, nats.ErrTimeout) {
		t.Fatal(err) // nobody answers what is not permitted
	}
	p.late.C = make(chan time.Time)
	p.answers <- &nats.Msg{Subject: p.inbox + "1", Data: []byte(`{"stream":"UTMP","seq":99}`)}
	for want := range uint64(3) {
		seq, err := p.publish(t.Context(), wire.Subject("web1", "login", "alice"), []byte(`{}`), "", want)
		if err != nil || seq != want+1 {
			t.Fatalf("%d, %v", seq, err)
		}
		p.answers <- &nats.Msg{Subject: p.m.Reply, Data: fmt.Appendf(nil, `{"stream":"UTMP","seq":%d}`, seq)}
	}
}
