// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Scene is all that a decision depends on, at one moment.
type Scene struct {
	Now       time.Time
	View      View
	Living    map[Session]bool // those whose leader surely lives; another one may have its pid
	Terminals []Terminal       // of the machine
	Records   []utmpx.Record   // of the utmpx file, by slot

	// Above names the processes from which those of the USER_PROCESS records descend.
	Above map[int32][]int32

	// Gone are the lines of the bridge's records whose terminal is surely gone, whoever has
	// its name now.
	Gone map[string]bool

	Open      []session.OpenLogin // in the wtmpx file
	OpenKnown bool                // it could be read
}

// Order is what to write. The record of an order that has a Slot must still be there byte
// for byte.
type Order struct {
	Kind   Kind
	Slot   int          // of Was
	Was    utmpx.Record // TakeOver, Withdraw, End
	Record utmpx.Record // Write, TakeOver
	Login  bool         // Write, TakeOver: append it to the wtmpx file too

	key key
}

// Kind is what an [Order] does.
type Kind int

// The kinds of orders.
const (
	Write    Kind = iota // puts Record where pututxline(3) would
	TakeOver             // puts Record in the place of Was, a LOGIN_PROCESS or INIT_PROCESS
	Withdraw             // marks Was dead, without a logout: its owner has recorded the session too
	End                  // marks Was dead, with a logout: its terminal is gone
)

// Bridge decides which sessions are recorded. It does no I/O. One goroutine uses it.
type Bridge struct {
	own  []session.OpenLogin // the bridge's records
	seen map[key]*sight
}

// key is a session on a terminal.
type key struct {
	id     string
	leader int32
	since  int64
	line   string
	of     int32 // the leader of the terminal: one connection may get the same terminal again
}

type sight struct {
	first time.Time
	done  bool // it has, or had, a record: another one would be a second login
}

// NewBridge returns a Bridge that knows which records are its own from an earlier run.
func NewBridge(own []session.OpenLogin) *Bridge {
	return &Bridge{own: slices.Clone(own), seen: make(map[key]*sight)}
}

// Own returns the bridge's records, for [NewBridge].
func (b *Bridge) Own() []session.OpenLogin { return slices.Clone(b.own) }

// Wrote tells that the order, to write or take over, was carried out. The records of the
// next Scene must have been read after that.
func (b *Bridge) Wrote(o Order) {
	b.own = append(b.own, mark(o.Record))
	b.seen[o.key].done = true
}

func mark(r utmpx.Record) session.OpenLogin {
	return session.OpenLogin{Login: session.Login{Line: r.Line, PID: r.PID, Time: r.Time}, ID: r.ID, User: r.User}
}

// Decide returns what to write now, and when to ask again if nothing else happens: zero if
// then nothing would be different. An order that was not carried out is given again.
func (b *Bridge) Decide(s Scene) (orders []Order, again time.Time) {
	b.own = slices.DeleteFunc(b.own, func(o session.OpenLogin) bool { return b.find(s, o) < 0 })
	orders = b.release(s)
	if !s.View.Known {
		return orders, time.Time{}
	}
	present := make(map[key]bool)
	for _, it := range s.View.Sessions {
		if !it.Login() || !s.Living[it] {
			continue
		}
		for _, p := range places(it, s.Terminals) {
			k := key{it.ID, it.Leader, it.Since.UnixMicro(), p.line, p.leader}
			present[k] = true
			order, due := b.judge(s, it, p, k)
			switch {
			case order != nil && !clashes(orders, *order):
				order.key = k
				orders = append(orders, *order)
			case !due.IsZero() && (again.IsZero() || due.Before(again)):
				again = due
			}
		}
	}
	for k := range b.seen {
		if !present[k] {
			delete(b.seen, k)
		}
	}
	return orders, again
}

// find returns the slot of a record of the bridge, -1 if it is no more.
func (b *Bridge) find(s Scene, o session.OpenLogin) int {
	return slices.IndexFunc(s.Records, func(r utmpx.Record) bool { return r.Type == utmpx.UserProcess && mark(r) == o })
}

func (b *Bridge) owns(r utmpx.Record) bool { return slices.Contains(b.own, mark(r)) }

// release returns the orders for records of the bridge that are not to be there any more.
// The end of a session is not decided here: utmpd judges its record as any other.
func (b *Bridge) release(s Scene) (orders []Order) {
	for _, o := range b.own {
		slot := b.find(s, o)
		was := s.Records[slot]
		switch {
		case b.ownerOf(s, o):
			orders = append(orders, Order{Kind: Withdraw, Slot: slot, Was: was})
		case s.Gone[o.Line] && session.PseudoTerminal(o.Line):
			orders = append(orders, Order{Kind: End, Slot: slot, Was: was})
		}
	}
	return orders
}

// ownerOf reports whether somebody else has recorded the session of the bridge's record.
func (b *Bridge) ownerOf(s Scene, o session.OpenLogin) bool {
	at := slices.IndexFunc(s.View.Sessions, func(it Session) bool {
		return it.Leader == o.PID && it.Login() && s.Living[it] &&
			slices.ContainsFunc(places(it, s.Terminals), func(p place) bool { return p.line == o.Line })
	})
	return at >= 0 && b.claimed(s, s.View.Sessions[at], o.Line) == byOwner
}

// claim says whether a record that is not the bridge's is that of a session.
type claim int

const (
	unclaimed claim = iota
	byAnother       // the line has another session's record, perhaps a dead one's
	byOwner
)

// claimed looks for a record of the session that is not the bridge's: on its line or, if
// the session has one terminal only, of its process or, on a seat, of one that descends from
// it. A terminal within a graphical session has a record of its own.
func (b *Bridge) claimed(s Scene, it Session, line string) claim {
	found := unclaimed
	for _, r := range s.Records {
		if r.Type != utmpx.UserProcess || b.owns(r) {
			continue
		}
		// The leader may have a pid that is still in the record of an earlier session.
		since := it.within(r.Time)
		its := since && (r.PID == it.Leader || it.Seat != "" && slices.Contains(s.Above[r.PID], it.Leader))
		switch inside := session.PseudoTerminal(r.Line) && !session.PseudoTerminal(line); {
		case r.Line == line && (its || it.Seat != "" && since):
			return byOwner
		case r.Line == line:
			found = byAnother
		case its && !many(it) && !inside:
			return byOwner
		}
	}
	return found
}

// judge decides about one session on one terminal. due is when to look again.
func (b *Bridge) judge(s Scene, it Session, p place, k key) (order *Order, due time.Time) {
	seen := b.seen[k]
	if seen == nil {
		seen = &sight{first: s.Now, done: ended(s, it, p)}
		b.seen[k] = seen
	}
	owner := b.claimed(s, it, p.line)
	switch has := b.has(it, p.line); {
	case has && s.Gone[p.line]: // it is that of the terminal before this one
		return nil, time.Time{}
	case has || owner == byOwner:
		seen.done = true
	}
	if seen.done || owner == byAnother {
		return nil, time.Time{}
	}
	since := seen.first
	if !it.Since.IsZero() && it.Since.Before(since) {
		since = it.Since
	}
	if due := since.Add(wait(it)); due.After(s.Now) {
		return nil, due
	}
	return compose(s, it, p), time.Time{}
}

// has reports whether the bridge has recorded the session there.
func (b *Bridge) has(it Session, line string) bool {
	return slices.ContainsFunc(b.own, func(o session.OpenLogin) bool {
		return o.PID == it.Leader && o.Line == line && it.within(o.Time)
	})
}

// within reports whether a record of the session's leader is of that session, and not of an
// earlier one whose leader had its pid. Some records have whole seconds.
func (s Session) within(at utmpx.Time) bool { return !at.Time().Before(s.Since.Truncate(time.Second)) }

// ended reports whether the session had a record there that was closed: before this run,
// or by its owner while the session is on its way out.
func ended(s Scene, it Session, p place) bool {
	return slices.ContainsFunc(s.Records, func(r utmpx.Record) bool {
		at := r.Time.Time()
		return r.Type == utmpx.DeadProcess && r.Line == p.line && !at.Before(it.Since) && !at.Before(p.since) &&
			(r.PID == it.Leader || slices.Contains(s.Above[r.PID], it.Leader))
	})
}

// wait returns how long the session's owner has to write the record itself. Sshd does
// before its shell begins, so once there is a terminal it has or never will. A display
// manager starts much before it writes. Login writes at once, over a record with the same
// pid and id.
func wait(it Session) time.Duration {
	switch {
	case it.Service == "sshd" && it.Seat == "":
		return 0
	case it.Service == "login" || it.Service == "remote" || it.Seat == "":
		return time.Second
	}
	return 15 * time.Second
}

// compose returns the order for a record that the session's owner would have written. It
// returns nil if the record would take the place of another session's.
func compose(s Scene, it Session, p place) *Order {
	r := utmpx.Record{
		Type: utmpx.UserProcess, PID: it.Leader, Line: p.line, ID: id(p.line),
		User: clean(it.User, userWidth), Host: clean(it.RemoteHost, hostWidth), Time: utmpx.TimeOf(it.Since),
	}
	if r.Host == "" {
		r.Host = clean(it.Display, hostWidth)
	}
	if it.Since.IsZero() {
		r.Time = utmpx.TimeOf(s.Now)
	}
	if ip, err := netip.ParseAddr(it.RemoteHost); err == nil {
		r.SetIP(ip.Unmap().WithZone(""))
	}
	order := &Order{Login: s.OpenKnown}
	for _, open := range s.Open {
		if open.Line == r.Line && open.PID == r.PID && it.within(open.Time) {
			r.Time, order.Login = open.Time, false
		}
	}
	if slot := getty(s.Records, r, it.Service); slot >= 0 {
		was := s.Records[slot]
		r.ID, order.Kind, order.Slot, order.Was = was.ID, TakeOver, slot, was
	} else if slices.ContainsFunc(s.Records, func(o utmpx.Record) bool { return InTheWay(r, o) }) {
		return nil
	}
	order.Record = r
	return order
}

// getty returns the slot of the record that waits for this login, -1 if there is none: of
// the same line, else of the same process. Only login(1) goes on as the process of a getty,
// and not on a pseudo terminal: the record of a getty that has died may have any pid.
func getty(records []utmpx.Record, r utmpx.Record, service string) int {
	waits := func(o utmpx.Record) bool { return o.Type == utmpx.LoginProcess || o.Type == utmpx.InitProcess }
	slot := slices.IndexFunc(records, func(o utmpx.Record) bool { return waits(o) && o.Line == r.Line })
	if slot < 0 && service == "login" && !session.PseudoTerminal(r.Line) {
		slot = slices.IndexFunc(records, func(o utmpx.Record) bool { return waits(o) && o.PID == r.PID })
	}
	return slot
}

// displaces reports whether a record with the same id must stay: pututxline would replace
// it.
func displaces(o utmpx.Record) bool {
	return o.Type == utmpx.UserProcess || o.Type == utmpx.LoginProcess || o.Type == utmpx.InitProcess
}

// InTheWay reports whether a record that is found when r is written, under the lock, keeps r
// from being written: somebody has recorded the line meanwhile, or would be displaced.
func InTheWay(r, at utmpx.Record) bool {
	return at.Type == utmpx.UserProcess && at.Line == r.Line || at.ID == r.ID && displaces(at)
}

// clashes reports whether another order writes a record with the same id, as two terminals
// with long names may have, or in the same place.
func clashes(orders []Order, o Order) bool {
	return slices.ContainsFunc(orders, func(other Order) bool {
		return other.Kind <= TakeOver && other.Record.ID == o.Record.ID || o.Kind == TakeOver && other.Kind == TakeOver && other.Slot == o.Slot
	})
}

// clean cuts a text to its width, and replaces what would be no part of a name on a
// terminal.
func clean(text string, width int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, text)
	for len(text) > width {
		cut := width
		for cut > 0 && text[cut]&0xc0 == 0x80 { // not within a character
			cut--
		}
		text = text[:cut]
	}
	return text
}

// Ghost reports whether a session is over and logind has not noticed.
func Ghost(it Session, leaderLives, scopeEmpty bool) bool {
	return it.State == "closing" && !leaderLives && scopeEmpty
}
