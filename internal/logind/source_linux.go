// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	service   = "org.freedesktop.login1"
	manager   = service + ".Manager"
	object    = "/org/freedesktop/login1"
	perhaps   = time.Second // the first wait for a bus that failed
	seldom    = time.Minute // the longest
	noOwner   = driver + ".Error.NameHasNoOwner"
	sessionIs = service + ".Session"
)

// Run reports each new view until ctx ends. It calls report itself, so a slow one delays
// the next view and loses none but those in between.
func (s *Source) Run(ctx context.Context, report func(View)) {
	pause := perhaps
	for ctx.Err() == nil {
		worked, err := s.listen(ctx, report)
		if ctx.Err() != nil {
			return
		}
		before := s.view
		s.view = View{Err: err, Sessions: before.Sessions}
		// A bus that is missing is looked for each minute: that nothing has changed wakes nobody.
		if before.Known || before.Err == nil || before.Err.Error() != err.Error() {
			report(s.view)
		}
		if worked {
			pause = perhaps
		}
		if !s.rest(ctx, err, pause) {
			return
		}
		pause = min(2*pause, seldom)
	}
}

// rest waits until it is worth while to look for the bus again.
func (s *Source) rest(ctx context.Context, err error, pause time.Duration) bool {
	var again <-chan time.Time
	if !errors.Is(err, fs.ErrNotExist) {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-again:
	case <-s.Wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// listen connects to the bus and reports views until that fails. It worked if there was
// a view.
func (s *Source) listen(ctx context.Context, report func(View)) (worked bool, err error) {
	b, hangUp, err := s.dialBus(ctx)
	if err != nil {
		return false, err
	}
	defer hangUp()
	l := &listener{bus: b, sessions: make(map[string]Session), refused: make(map[string]bool)}
	for _, known := range s.view.Sessions {
		l.sessions[known.Path] = known
	}
	if err := l.begin(); err != nil {
		return false, err
	}
	for {
		// What waits in the queue comes first: a burst becomes one view.
		if v := l.view(); len(b.queue) == 0 && !b.lost && (!worked || !v.equal(s.view)) {
			s.view, worked = v, true
			report(v)
		}
		m, woken, err := b.next(s.Wake, l.again)
		switch {
		case err != nil:
		case woken || b.lost: // signals may have been lost in the bus, or were here
			err = l.begin()
		case m == nil:
			err = l.askAgain()
		default:
			err = l.handle(m)
		}
		if err != nil {
			return worked, err
		}
	}
}

// listener follows the sessions over one connection.
type listener struct {
	bus      *bus
	subject  bool // the signals were subscribed to
	sessions map[string]Session

	// Sessions that logind has refused to tell of, and are not known.
	refused map[string]bool
	rounds  int // how often all of them were asked for again
	again   <-chan time.Time
}

// roundsMost is how often logind is asked again for what it has refused, a minute in all.
const roundsMost = 6

var errAway = errors.New("logind is not on the bus")

func (l *listener) view() View {
	v := View{Known: l.bus.owner != "", Sessions: slices.SortedFunc(maps.Values(l.sessions), func(a, b Session) int { return strings.Compare(a.Path, b.Path) })}
	if !v.Known {
		v.Err = errAway
	}
	return v
}

// begin subscribes to the signals, finds logind, and lists its sessions. What the queue
// has before the reply that names the owner is older than that.
func (l *listener) begin() error {
	if !l.subject {
		for _, rule := range []string{
			"type='signal',sender='" + driver + "',interface='" + driver + "',member='NameOwnerChanged',arg0='" + service + "'",
			"type='signal',sender='" + service + "',interface='" + manager + "',member='SessionNew'",
			"type='signal',sender='" + service + "',interface='" + manager + "',member='SessionRemoved'",
			"type='signal',sender='" + service + "',interface='" + driver + ".Properties',member='PropertiesChanged',arg0='" + sessionIs + "'",
		} {
			if _, err := l.bus.call(driver, "/org/freedesktop/DBus", driver+".AddMatch", rule); err != nil {
				return err
			}
		}
		l.subject = true
	}
	reply, err := l.bus.call(driver, "/org/freedesktop/DBus", driver+".GetNameOwner", service)
	l.bus.queue, l.bus.lost = nil, false
	switch {
	case isRefused(err, noOwner):
		return l.setOwner("")
	case err != nil:
		return err
	}
	var owner string
	if err := dbus.Store(reply, &owner); err != nil {
		return err
	}
	return l.setOwner(owner)
}

// setOwner goes on with the logind that has this name, and lists its sessions. Without
// one, the sessions stay: that logind stops ends none.
func (l *listener) setOwner(name string) error {
	l.bus.setOwner(name)
	l.bus.forget() // what another one said
	if name == "" {
		return nil
	}
	return l.list()
}

// list takes the sessions that logind has now for all there are.
func (l *listener) list() error {
	reply, err := l.bus.call(l.bus.owner, object, manager+".ListSessions")
	if err != nil {
		return err
	}
	// What logind sent before its reply, the reply knows. An id may have been used again in
	// between, so a removal must not be believed later.
	l.bus.forget()
	var listed []struct {
		ID   string
		UID  uint32
		User string
		Seat string
		Path dbus.ObjectPath
	}
	if err := dbus.Store(reply, &listed); err != nil {
		return fmt.Errorf("ListSessions: %w", err)
	}
	clear(l.sessions) // logind may have used their paths again
	clear(l.refused)
	for _, s := range listed {
		if err := l.look(string(s.Path)); err != nil {
			return err
		}
	}
	return nil
}

// gone are the errors of an object that is no more.
var gone = []string{driver + ".Error.UnknownObject", driver + ".Error.UnknownMethod", driver + ".Error.UnknownInterface", service + ".NoSuchSession"}

// look asks for one session. An answer that is none concerns this session alone: of one that
// is known, what is known stays, and one that is not is asked for again later. Only a broken
// connection is an error.
func (l *listener) look(path string) error {
	reply, err := l.bus.call(l.bus.owner, path, driver+".Properties.GetAll", sessionIs)
	var no *refused
	if errors.As(err, &no) {
		if slices.Contains(gone, no.name) {
			l.forget(path)
		} else if _, known := l.sessions[path]; !known && !l.refused[path] {
			l.refused[path], l.rounds = true, 0
			l.schedule()
		}
		return nil
	}
	if err != nil {
		return err
	}
	delete(l.refused, path)
	var properties map[string]dbus.Variant
	if err := dbus.Store(reply, &properties); err != nil {
		return nil
	}
	if s, ok := parseSession(path, properties); ok {
		l.sessions[path] = s
	} else {
		delete(l.sessions, path)
	}
	return nil
}

func (l *listener) forget(path string) {
	delete(l.sessions, path)
	delete(l.refused, path)
}

func (l *listener) schedule() { l.again = time.After(perhaps << l.rounds) }

// askAgain asks for the sessions that logind has refused to tell of.
func (l *listener) askAgain() error {
	l.rounds++
	l.again = nil
	for path := range maps.Clone(l.refused) {
		if err := l.look(path); err != nil {
			return err
		}
	}
	if len(l.refused) > 0 && l.rounds < roundsMost {
		l.schedule()
	}
	return nil
}

// handle takes in one signal. One of an odd form is ignored.
func (l *listener) handle(m *dbus.Message) error {
	sender, _ := m.Headers[dbus.FieldSender].Value().(string)
	member, _ := m.Headers[dbus.FieldMember].Value().(string)
	if sender == driver {
		var name, before, now string
		if member != "NameOwnerChanged" || dbus.Store(m.Body, &name, &before, &now) != nil || name != service {
			return nil
		}
		return l.setOwner(now)
	}
	var id string
	var path dbus.ObjectPath
	switch member {
	case "SessionNew", "SessionRemoved":
		if dbus.Store(m.Body, &id, &path) != nil || !path.IsValid() {
			return nil
		}
		if member == "SessionNew" {
			return l.look(string(path))
		}
		l.forget(string(path))
	case "PropertiesChanged":
		if path, ok := m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath); ok {
			return l.look(string(path))
		}
	}
	return nil
}
