// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/logs"
)

// sent is the last event that the stream has of this host. Without one, seq is 0.
type sent struct {
	seq      uint64
	id       string
	position logs.Position
	machine  string
	boot     string
}

// lastSent reads it.
func (a *Agent) lastSent(ctx context.Context) (s sent, err error) {
	m, err := a.request(ctx, nats.NewMsg("$JS.API.DIRECT.GET."+wire.Events+".utmp."+a.token+".>"))
	if err != nil {
		return s, fmt.Errorf("read the last event sent: %w", err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return s, nil
	default:
		return s, fmt.Errorf("read the last event sent: %s %s", status, m.Header.Get("Description"))
	}
	if s.seq, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
		return s, fmt.Errorf("read the last event sent: %w", err)
	}
	s.machine, s.boot = m.Header.Get(wire.Machine), m.Header.Get(wire.Boot)
	var e struct{ ID string }
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return s, fmt.Errorf("read the last event sent: %w", err)
	}
	s.id = e.ID
	if s.position, err = logs.ParsePosition(cmp.Or(m.Header.Get(wire.Position), e.ID)); err != nil {
		return s, fmt.Errorf("read the last event sent: %w", err)
	}
	return s, nil
}

// refusal is an answer of JetStream that is an error.
type refusal struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%s (%d)", r.Description, r.Code) }

// publish sends an event, and waits until it is stored. It is refused if the stream's last
// event of this host is not number after.
func (a *Agent) publish(ctx context.Context, m *nats.Msg, after uint64) (seq uint64, err error) {
	m.Header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(after, 10))
	m.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", "utmp."+a.token+".>")
	m.Header.Set("Nats-Expected-Stream", wire.Events)
	answer, err := a.request(ctx, m)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Seq   uint64   `json:"seq"`
		Error *refusal `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, err
	}
	if ack.Error != nil {
		return 0, ack.Error
	}
	if ack.Seq == 0 {
		return 0, errors.New("an acknowledgement without a number")
	}
	return ack.Seq, nil
}

func (a *Agent) request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	ctx, stop := context.WithTimeout(ctx, a.Answer)
	defer stop()
	answer, err := a.nc.RequestMsgWithContext(ctx, m)
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		err = errors.New("not connected") // what is sent is not kept until it is
	}
	return answer, err
}
