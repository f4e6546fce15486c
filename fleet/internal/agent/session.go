// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/eventlog"
	"utmpd.dev/utmpd/internal/events"
	"utmpd.dev/utmpd/internal/ledger"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

// session sends the log over one connection.
type session struct {
	a      *Agent
	log    *logs.Log
	reader *eventlog.Reader
	seq    uint64 // of the last event in the stream
	id     string // of that event, until what follows its position was read

	many   int            // events that were sent since waiting
	batch  []events.Event // what the record being read tells
	place  string         // of that record, if reading goes on there and it was asked for
	at     string         // where reading goes on before it
	body   []byte
	failed error

	mark   logs.Position // to be written to the mark's file
	marked time.Time     // since when it is known
}

// resume finds where to go on, and what was known there, from the log alone.
func (a *Agent) resume(ctx context.Context, last sent) (*session, error) {
	s := &session{a: a, seq: last.seq, id: last.id, marked: time.Now()}
	s.log = logs.New(a.Wtmp, logs.Options{Torn: true, Reuse: true, Waiting: s.waiting})
	if last.seq == 0 || last.lost {
		var err error
		if last.position, err = a.readMark(); err != nil {
			return nil, err
		}
	}
	known, err := s.replay(ctx, last.position)
	if err != nil {
		return nil, err
	}
	if !known.found && last.seq > 0 && !last.lost && !a.TakeOver {
		if err := a.explained(last, known); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// replayed is what reading the log up to a position found.
type replayed struct {
	found  bool
	oldest time.Time // of the first record; zero: there is none
	file   bool      // the file is there in which the position would be
}

// replay reads the log up to a position, without telling what it reads. If the position is
// not in the log, nothing is known there.
func (s *session) replay(ctx context.Context, to logs.Position) (r replayed, err error) {
	s.reader = eventlog.New(events.NewStream(), to)
	if to.IsZero() {
		return replayed{found: true}, nil
	}
	reader := eventlog.New(events.NewStream(), logs.Position{})
	for e, err := range s.log.From(ctx, logs.Position{}) {
		s.a.sending.step()
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil {
			reader.Hole()
			continue
		}
		if r.oldest.IsZero() {
			r.oldest = e.Record.Time.Time()
		}
		r.file = r.file || e.Place().SameFile(to)
		reader.Record(e, func() string { return "" }, func(events.Event) {})
		if e.Record.Time.Time().Equal(to.Time()) && e.Position().SameRecord(to) {
			s.reader, r.found = reader, true
			s.reader.Skip(to)
			return r, nil
		}
	}
	return r, ctx.Err()
}

// explained returns an error if another machine sent the stream's last event. The record
// after which it was sent is not in this log: it may have been rotated away, or lost when
// this machine lost power.
func (a *Agent) explained(last sent, log replayed) error {
	at := last.position.Time()
	switch {
	case last.machine != a.Machine:
		return fmt.Errorf("%w: its machine id is %s", ErrTwoHosts, last.machine)
	case last.boot == a.Boot, log.oldest.IsZero(), at.Before(log.oldest) && !log.file:
		return nil // it is gone from this log
	}
	if a.Booted != nil {
		switch began, err := a.Booted(); {
		case err != nil:
			return err
		case at.Before(began):
			return nil // nobody had synced it
		}
	}
	return fmt.Errorf("%w: a copy of this one, with boot id %s, has sent a record of %s that this log never had",
		ErrTwoHosts, last.boot, last.position.Time().UTC().Format(time.RFC3339))
}

// run sends what follows, and waits for more, until something fails or ctx ends.
func (s *session) run(ctx context.Context) error {
	s.readLedger()
	s.at = s.reader.Position().String()
	for e, err := range s.log.Follow(ctx, s.reader.Position()) {
		s.a.sending.step()
		s.place = ""
		var gap *logs.GapError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &gap):
			s.at = s.reader.Position().String()
			s.batch = append(s.batch, s.reader.Gap(gap))
			if !gap.Before.IsZero() {
				continue // with the record that follows
			}
			end, err := s.log.End(ctx)
			if err != nil {
				return err
			}
			s.reader.Skip(end)
		case err != nil:
			s.a.Log.Error("the log cannot be read", "error", err)
			s.reader.Hole()
			continue
		default:
			if e.Record.Type == utmpx.BootTime {
				s.readLedger() // the boot before it may have been entered since
			}
			s.reader.Record(e, func() string { return s.placeOf(&e) }, func(e events.Event) { s.batch = append(s.batch, e) })
		}
		if err := s.send(ctx); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.failed
}

// readLedger reads what this machine knows of its boots besides the log: a crash has closer
// bounds there.
func (s *session) readLedger() {
	if s.a.Ledger == "" {
		return
	}
	past, err := ledger.Read(s.a.Ledger)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.a.Log.Warn("the ledger of boots cannot be read; crashes have the bounds of the log", "error", err)
	}
	s.reader.Stream.Ledger = past
}

// placeOf returns the place of a record. It is hashed once.
func (s *session) placeOf(e *logs.Entry) string {
	if s.place != "" {
		return s.place
	}
	place := e.Place().String()
	if !e.Late() {
		s.place = place
	}
	return place
}

// send sends what a record told. All but the last event have the position after what was sent
// before it: if sending ends in between, the record is read again, and what was sent of it is
// left out.
func (s *session) send(ctx context.Context) error {
	batch := s.batch
	s.batch = s.batch[:0]
	if len(batch) == 0 {
		return nil
	}
	before := s.at
	if s.at = s.place; s.at == "" {
		s.at = s.reader.Position().String()
	}
	if i := slices.IndexFunc(batch, func(e events.Event) bool { return e.ID == s.id }); i >= 0 {
		batch = batch[i+1:]
	}
	for i := range batch {
		at := before
		if i == len(batch)-1 {
			at = s.at
		}
		if err := s.sendOne(ctx, &batch[i], at); err != nil {
			return err
		}
	}
	if len(batch) > 0 {
		s.id = ""
	}
	return nil
}

func (s *session) sendOne(ctx context.Context, e *events.Event, position string) error {
	s.body = e.AppendJSON(s.body[:0], events.Machine{Name: s.a.Host, ID: s.a.Machine, Boot: s.a.Boot})
	if position == e.ID { // most events are identified by their place
		position = ""
	}
	s.a.sending.step()
	seq, err := s.a.events.publish(ctx, wire.Subject(s.a.token, string(e.Kind), e.Session.User), s.body, position, s.seq)
	if err != nil {
		return fmt.Errorf("send an event: %w", err)
	}
	s.seq = seq
	s.a.trouble.stored(seq)
	s.many++
	return nil
}

// backlog is after how many events, sent one after another, the memory that they took is
// given back to the system: it would be kept while nothing happens.
const backlog = 1000

// Settled is after what time a server has on its disk what it acknowledged, for sure: NATS
// syncs every two minutes.
const Settled = 10 * time.Minute

// waiting is called when everything was sent.
func (s *session) waiting() {
	now := time.Now()
	if at := s.reader.Position(); s.a.Mark != "" && !s.mark.IsZero() && now.Sub(s.marked) >= s.a.Settled {
		if err := atomicfile.WriteSync(s.a.Mark, 0o600, atomicfile.Bytes([]byte(s.mark.String()+"\n"))); err != nil {
			s.a.Log.Error("mark is not written", "error", err)
		}
		s.mark, s.marked = at, now
	} else if s.mark.IsZero() {
		s.mark, s.marked = at, now
	}
	if s.many >= backlog {
		debug.FreeOSMemory()
	}
	s.many = 0
	if s.a.Waiting != nil {
		s.a.Waiting()
	}
	s.a.sending.rest()
}

// readMark returns how far was sent, for a stream that has nothing of this host any more.
func (a *Agent) readMark() (logs.Position, error) {
	if a.Mark == "" {
		return logs.Position{}, nil
	}
	b, err := os.ReadFile(a.Mark)
	if errors.Is(err, os.ErrNotExist) {
		return logs.Position{}, nil
	}
	if err != nil {
		return logs.Position{}, err
	}
	p, err := logs.ParsePosition(string(b[:max(0, len(b)-1)]))
	if err != nil {
		return p, fmt.Errorf("%s: %w", a.Mark, err)
	}
	return p, nil
}
