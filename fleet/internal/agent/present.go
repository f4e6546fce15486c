// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/notify"
	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// lookBesides is how often the utmpx file is looked at if no change is reported.
const lookBesides = 10 * time.Second

// presentSessions puts the sessions that are on: at once, and when they change.
func (a *Agent) presentSessions(ctx context.Context) {
	changed := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = notify.NewInotify(a.Utmp).Run(ctx, func() { // without notices there is the ticker
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	defer func() { <-done }()
	tick := time.NewTicker(lookBesides)
	defer tick.Stop()
	p := present{a: a, file: utmpfile.NewFile(a.Utmp, nil)}
	for {
		a.looking.step()
		if err := p.put(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("sessions are not sent; they are when they change, or in 10 s", "error", err)
		}
		a.looking.rest()
		pause := time.NewTimer(wire.PutsEvery)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// present is what was put of the sessions.
type present struct {
	a    *Agent
	file *utmpfile.File
	last [wire.Pieces][]byte // what the server has, for sure; without the time
}

// put puts what changed since the last time. Piece 0 has all sessions unless that is too
// much; then each piece has those whose lines belong to it, and piece 0, put last, says so.
func (p *present) put(ctx context.Context) error {
	all := p.read()
	var pieces [wire.Pieces]wire.Sessions
	for i := range pieces {
		pieces[i] = wire.Sessions{Machine: all.Machine, Boot: all.Boot, Sessions: []wire.Session{}}
	}
	pieces[0] = all
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	count := 1
	if len(b) > wire.MaxPiece {
		count = wire.Pieces
		pieces[0].Sessions, pieces[0].Split = []wire.Session{}, true
		for _, s := range all.Sessions {
			i := wire.Piece(s.Line)
			pieces[i].Sessions = append(pieces[i].Sessions, s)
		}
	}
	now := time.Now().UTC()
	for i := count - 1; i >= 0; i-- {
		if err := p.putPiece(ctx, i, pieces[i], now); err != nil {
			return err // of the others it would be the same
		}
	}
	return nil
}

func (p *present) putPiece(ctx context.Context, i int, piece wire.Sessions, now time.Time) error {
	same, err := json.Marshal(piece)
	if err != nil || bytes.Equal(same, p.last[i]) {
		return err
	}
	piece.Time = now
	p.a.looking.step()
	m := nats.NewMsg(wire.OnSubject(p.a.token, i))
	if m.Data, err = json.Marshal(piece); err != nil {
		return err
	}
	p.last[i] = nil
	if err := p.a.store(ctx, m); err != nil {
		return err
	}
	p.last[i] = same
	return nil
}

// read reads the utmpx file. On a machine without one nobody is recorded.
func (p *present) read() wire.Sessions {
	all := wire.Sessions{Machine: p.a.Machine, Boot: p.a.Boot, Sessions: []wire.Session{}}
	records, err := p.file.Snapshot()
	if err != nil {
		all.Unread = err.Error()
		if errors.Is(err, fs.ErrNotExist) {
			all.Unread = "there is no " + p.a.Utmp
		}
		return all
	}
	for _, r := range records {
		if r.Type != utmpx.UserProcess || r.User == "" {
			continue
		}
		s := wire.Session{User: r.User, UserRaw: raw(r.User), Line: r.Line, LineRaw: raw(r.Line), Host: r.Host, HostRaw: raw(r.Host), PID: r.PID}
		if ip, ok := r.IP(); ok {
			s.Addr = ip.String()
		}
		if t := r.Time.Time().UTC(); t.Year() >= 0 && t.Year() <= 9999 {
			s.Since = &t
		}
		all.Sessions = append(all.Sessions, s)
	}
	return all
}

// raw returns the bytes of a text that is not UTF-8.
func raw(s string) []byte {
	if utf8.ValidString(s) {
		return nil
	}
	return []byte(s)
}
