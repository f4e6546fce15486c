// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

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
	lost     bool // no event of the stream says where to go on: the mark does, if there is one
}

// lastSent reads it. If nobody can go on from the last event, since it was not sent by an
// agent, the last one counts from which one can: what came between is sent again, and those
// who ask leave out what they know.
func (a *Agent) lastSent(ctx context.Context) (sent, error) {
	last, unread, err := a.lastOf(ctx, wire.HostEvents(a.token))
	if err != nil || unread == nil {
		return last, err
	}
	a.Log.Warn("the last event of this host in the stream was not sent by an agent; the last of those that were is looked for", "error", unread)
	best := sent{lost: true}
	for _, subject := range wire.EventSubjects(a.token) {
		s, unread, err := a.lastOf(ctx, subject)
		if err != nil {
			return s, err
		}
		if unread == nil && s.seq > best.seq {
			best = s
		}
	}
	best.seq = last.seq
	return best, nil
}

// lastOf reads the last event of a subject. unread says why nobody can go on from it.
func (a *Agent) lastOf(ctx context.Context, subject string) (s sent, unread, err error) {
	m, err := a.ask(ctx, "$JS.API.DIRECT.GET."+wire.Events+"."+subject)
	if err != nil {
		return s, nil, fmt.Errorf("read the last event sent: %w", err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return s, nil, nil
	default:
		return s, nil, fmt.Errorf("read the last event sent: %s %s", status, m.Header.Get("Description"))
	}
	if s.seq, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
		return s, nil, fmt.Errorf("read the last event sent: %w", err)
	}
	var e struct {
		ID      string
		Machine string `json:"machine_id"`
		Boot    string `json:"boot_id"`
	}
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return s, err, nil
	}
	s.id, s.machine, s.boot = e.ID, e.Machine, e.Boot
	s.position, unread = logs.ParsePosition(cmp.Or(m.Header.Get(wire.Position), e.ID))
	if unread == nil && s.machine == "" {
		unread = errors.New("it has no machine")
	}
	return s, unread, nil
}

// refusal is an answer of JetStream that is an error.
type refusal struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%s (%d)", r.Description, r.Code) }

// publisher sends events, one after another. It has an inbox of its own and uses one
// message for all events: the library's request, and its general reader of JSON, cost more for
// each of them. The subject of the answers stays the same, which spares the server to look up
// who gets each, until an answer does not come.
type publisher struct {
	a       *Agent
	m       nats.Msg
	inbox   string
	n       uint64 // of the subject of answers
	answers chan *nats.Msg
	late    *time.Timer
}

// mostAnswers is how many answers wait to be read. A node that becomes the leader while it is
// behind can answer once more what it catches up on.
const mostAnswers = 128

const (
	expected    = "Nats-Expected-Last-Subject-Sequence"
	expectedFor = expected + "-Subject"
)

func (a *Agent) newPublisher() (*publisher, error) {
	p := &publisher{a: a, inbox: a.nc.NewInbox() + ".", answers: make(chan *nats.Msg, mostAnswers), late: time.NewTimer(0)}
	p.m.Header = nats.Header{expected: {""}, expectedFor: {wire.HostEvents(a.token)}}
	_, err := a.nc.ChanSubscribe(p.inbox+"*", p.answers)
	return p, err
}

// publish sends an event, and waits until it is stored. It is refused if the stream's last
// event of this host is not number after. position is where the log goes on; "": at the place
// that is the event's id.
func (p *publisher) publish(ctx context.Context, subject string, event []byte, position string, after uint64) (seq uint64, err error) {
	defer func() {
		if err != nil {
			p.m.Reply = "" // an answer to this event may come later
		}
	}()
	if p.m.Reply == "" {
		p.n++
		p.m.Reply = p.inbox + strconv.FormatUint(p.n, 36)
	}
	p.m.Subject, p.m.Data = subject, event
	p.m.Header[expected][0] = strconv.FormatUint(after, 10)
	delete(p.m.Header, wire.Position)
	if position != "" {
		p.m.Header.Set(wire.Position, position)
	}
	if err := p.a.nc.PublishMsg(&p.m); err != nil {
		return 0, connected(err)
	}
	p.late.Reset(p.a.patience())
	for {
		select {
		case m := <-p.answers:
			if m.Subject != p.m.Reply {
				continue // to one that was given up
			}
			if seq, err := readAck(m); err != nil || seq > after {
				return seq, err
			} // else to the one before, a second time
		case <-p.late.C:
			return 0, nats.ErrTimeout
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// readAck returns the number of an event that was stored.
func readAck(m *nats.Msg) (seq uint64, err error) {
	if digits, ok := bytes.CutPrefix(m.Data, []byte(`{"stream":"`+wire.Events+`","seq":`)); ok {
		if seq, ok := number(digits); ok {
			return seq, nil
		}
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return 0, nats.ErrNoResponders
	}
	var ack struct {
		Seq   uint64   `json:"seq"`
		Error *refusal `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil {
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

// number reads a positive number that ends an object of JSON, and nothing else.
func number(b []byte) (n uint64, ok bool) {
	if len(b) < 2 || len(b) > 19 || b[0] == '0' || b[len(b)-1] != '}' {
		return 0, false
	}
	for _, c := range b[:len(b)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}

// store sends what needs no order, and waits until it is stored.
func (a *Agent) store(ctx context.Context, m *nats.Msg) error {
	answer, err := a.request(ctx, m)
	if err != nil {
		return err
	}
	var ack struct{ Error *refusal }
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return err
	}
	if ack.Error != nil {
		return ack.Error
	}
	return nil
}

// ask asks a question. NATS gives it to any node that has the stream, also to one that is cut off
// and does not hear it. So in a cluster it is asked up to four times, the last time with
// the whole patience.
func (a *Agent) ask(ctx context.Context, subject string) (m *nats.Msg, err error) {
	patience := a.patience()
	if a.others.Load() {
		for part := time.Duration(8); part > 1; part /= 2 {
			m, err = a.requestFor(ctx, nats.NewMsg(subject), patience/part)
			if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
				return m, err
			}
		}
	}
	return a.requestFor(ctx, nats.NewMsg(subject), patience)
}

func (a *Agent) request(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	return a.requestFor(ctx, m, a.patience())
}

func (a *Agent) requestFor(ctx context.Context, m *nats.Msg, patience time.Duration) (*nats.Msg, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	answer, err := a.nc.RequestMsgWithContext(ctx, m)
	return answer, connected(err)
}

// connected says plainly what the library means: what is sent is not kept until there is a
// connection.
func connected(err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return errors.New("not connected")
	}
	return err
}
