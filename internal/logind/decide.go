// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"net/netip"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Scene is all that a decision depends on, at one moment.
type Scene struct {
	Now       time.Time
	View      View
	Living    map[Session]bool      // those whose leader surely lives; another one may have its pid
	Began     map[Session]time.Time // when their leaders did, as far as it is known
	Terminals []Terminal            // of the machine
	Records   []utmpx.Record        // of the utmpx file, by slot; not changed
	index     *recordIndex          // of Records; nil: not made yet

	// NoShell are the sessions whose leader is login(1) and has not started the shell.
	NoShell map[Session]bool

	// NoDevice are the names that logind gives for terminals and are none.
	NoDevice map[string]bool

	// Above names the processes from which those of records and open logins descend. A
	// session's leader, and the leader of a terminal, may be missing.
	Above map[int32][]int32

	// In names the sessions in whose control groups processes of records are. Only those that
	// may be in a session on a seat whose leader has died need to be there.
	In map[int32]string

	// Gone are the lines of the bridge's records whose terminal is surely gone, whoever has
	// its name now.
	Gone map[string]bool

	Open      []session.OpenLogin // in the wtmpx file
	OpenKnown bool                // that file takes logins, though it may not be read now
}

// left reports whether a session on a seat goes on without its leader, as far as logind knows.
func (s Scene) left(it Session) bool { return it.Login() && it.Seat != "" && !s.Living[it] }

// Order is what to write. The record of an order that has a Slot must still be there byte
// for byte.
type Order struct {
	Kind   Kind
	Slot   int          // of Was
	Was    utmpx.Record // TakeOver, Withdraw, End
	Record utmpx.Record // Write, TakeOver; Withdraw: the owner's
	At     time.Time    // End: when, if that is known
	Login  bool         // Write, TakeOver: append it to the wtmpx file too

	key  key
	from time.Time // an open login of one of the session's processes is the session's from then on
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
	own     []session.OpenLogin // the bridge's records
	seen    map[key]*sight
	doubled map[session.OpenLogin]time.Time  // since when the owner has a record too
	led     map[session.OpenLogin]session.ID // who led the terminal of a record when it was written
}

// key is a session on a terminal.
type key struct {
	id     string
	leader int32
	since  int64
	line   string
	of     int32 // the leader of the terminal: one connection may get the same terminal again
	start  uint64
}

func (k key) leads() session.ID { return session.ID{PID: k.of, Start: k.start} }

type sight struct {
	first time.Time
	done  bool // it has, or had, a record: another one would be a second login
}

// NewBridge returns a Bridge that knows which records are its own from an earlier run.
func NewBridge(own []session.OwnRecord) *Bridge {
	b := &Bridge{seen: make(map[key]*sight), doubled: make(map[session.OpenLogin]time.Time), led: make(map[session.OpenLogin]session.ID)}
	for _, o := range own {
		b.own = append(b.own, o.OpenLogin)
		b.led[o.OpenLogin] = o.Led
	}
	return b
}

// Own returns the bridge's records, for [NewBridge].
func (b *Bridge) Own() []session.OwnRecord {
	own := make([]session.OwnRecord, len(b.own))
	for i, o := range b.own {
		own[i] = session.OwnRecord{OpenLogin: o, Led: b.led[o]}
	}
	return own
}

func (b *Bridge) owns(o session.OpenLogin) bool { return slices.Contains(b.own, o) }

// Wrote tells that the order, to write or take over, was carried out. The records of the
// next Scene must have been read after that.
func (b *Bridge) Wrote(o Order) {
	b.own = append(b.own, mark(o.Record))
	b.led[mark(o.Record)] = o.key.leads()
	b.seen[o.key].done = true
}

func mark(r utmpx.Record) session.OpenLogin {
	return session.OpenLogin{Login: session.Login{Line: r.Line, PID: r.PID, Time: r.Time}, ID: r.ID, User: r.User}
}

const (
	// beginMost is how long sshd may take from leading a terminal to becoming the shell.
	beginMost = 10 * time.Second
	// loginMost is how long login(1) may take from logind's session to the shell.
	loginMost = 10 * time.Second
	// openMost is how long after the session sshd may open its first terminal: the user's service
	// manager starts before. One that was opened later is not from the time of the login.
	openMost = 10 * time.Second
	// ownerLate is how much later than its record an owner writes its login.
	ownerLate = time.Second
)

// Decide returns what to write now, and when to ask again if nothing else happens: zero if
// then nothing would be different. An order that was not carried out is given again.
func (b *Bridge) Decide(s Scene) (orders []Order, again time.Time) {
	x := b.index(s)
	orders, again = b.release(x)
	if !s.View.Known {
		return orders, again
	}
	present := make(map[key]bool)
	var new orderSet
	for _, it := range s.View.Sessions {
		if !it.Login() || !s.Living[it] {
			continue
		}
		for _, p := range x.places(it) {
			k := key{it.ID, it.Leader, it.Since.UnixMicro(), p.line, p.leader, p.start}
			present[k] = true
			order, due := b.judge(x, it, p, k)
			if order != nil && new.add(*order) {
				order.key = k
				orders = append(orders, *order)
			}
			again = earliest(again, due)
		}
	}
	for k := range b.seen {
		if !present[k] {
			delete(b.seen, k)
		}
	}
	return orders, again
}

// orderSet knows what orders write.
type orderSet struct {
	ids   map[string]bool
	slots map[int]bool
}

// add reports false if another order writes a record with the same id, as two terminals
// with long names may have, or in the same place.
func (s *orderSet) add(o Order) bool {
	if s.ids == nil {
		s.ids, s.slots = make(map[string]bool), make(map[int]bool)
	}
	if s.ids[o.Record.ID] || o.Kind == TakeOver && s.slots[o.Slot] {
		return false
	}
	s.ids[o.Record.ID] = true
	if o.Kind == TakeOver {
		s.slots[o.Slot] = true
	}
	return true
}

// release returns the orders for records of the bridge that are not to be there any more.
// The end of a session is not decided here: utmpd judges its record as any other.
func (b *Bridge) release(x *index) (orders []Order, again time.Time) {
	doubled := make(map[session.OpenLogin]time.Time)
	for _, o := range b.own {
		slot := x.slots[o]
		was := x.Records[slot]
		if owner, found := x.ownerOf(o); found {
			since, before := b.doubled[o]
			if !before || x.Now.Before(since) {
				since = x.Now
			}
			doubled[o] = since
			if due := since.Add(ownerLate); due.After(x.Now) {
				again = earliest(again, due)
				continue
			}
			orders = append(orders, Order{Kind: Withdraw, Slot: slot, Was: was, Record: owner})
		} else if session.PseudoTerminal(o.Line) && (x.Gone[o.Line] || x.givenAway(o)) {
			orders = append(orders, Order{Kind: End, Slot: slot, Was: was})
		} else if p, ok := x.reopened(o, b.led[o]); ok {
			x.again[o.Line] = true
			orders = append(orders, Order{Kind: End, Slot: slot, Was: was, At: p.since.Add(-time.Microsecond)})
		}
	}
	b.doubled = doubled
	return orders, again
}

// claim says whether a record that is not the bridge's is that of a session.
type claim int

const (
	unclaimed claim = iota
	byAnother       // the line has another session's record, perhaps a dead one's
	byOwner
)

// judge decides about one session on one terminal. due is when to look again.
func (b *Bridge) judge(x *index, it Session, p place, k key) (order *Order, due time.Time) {
	seen := b.seen[k]
	if seen == nil {
		seen = &sight{first: x.Now, done: x.ended(it, p)}
		b.seen[k] = seen
	}
	if x.Now.Before(seen.first) {
		seen.first = x.Now // the clock was set
	}
	owner, _ := x.claimed(it, p)
	switch has := x.has(it, p.line); {
	case has && (x.Gone[p.line] || x.again[p.line]): // it is that of the terminal before this one
		return nil, time.Time{}
	case has || owner == byOwner:
		seen.done = true
	}
	if seen.done || owner == byAnother {
		return nil, time.Time{}
	}
	if waited := x.Now.Sub(seen.first); p.begins && waited < beginMost {
		return nil, x.Now.Add(max(2*time.Millisecond, waited/2))
	}
	since := seen.first
	if !it.Since.IsZero() && it.Since.Before(since) {
		since = it.Since
	}
	if due := since.Add(wait(it)); due.After(x.Now) {
		return nil, due
	}
	if waited := x.Now.Sub(since); x.NoShell[it] && waited < loginMost {
		return nil, x.Now.Add(waited / 4)
	}
	return x.compose(it, p), time.Time{}
}

// wait returns how long the session's owner has to write the record itself. Sshd does
// before the one that leads the terminal becomes the shell, so then it has or never will: as
// the monitor of a user, who may not write, before there is a shell at all; else, as up to
// OpenSSH 9.7 for root, in the process that becomes the shell, with that one's pid. A display
// manager starts much before it writes. Login(1) writes over a record with the same pid and
// id, once PAM's modules are done, before it starts the shell: mostly at once, else
// [Scene.NoShell] has the rest.
func wait(it Session) time.Duration {
	switch {
	case it.Service == "sshd" && it.Seat == "":
		return 0
	case byLogin(it) || it.Seat == "":
		return time.Second
	}
	return 15 * time.Second
}

// byLogin reports whether login(1) made a session. Of telnetd and rlogind it is "remote".
func byLogin(it Session) bool { return it.Service == "login" || it.Service == "remote" }

// compose returns the order for a record that the session's owner would have written. It
// returns nil if the record would take the place of another session's.
func (x *index) compose(it Session, p place) *Order {
	r := utmpx.Record{
		Type: utmpx.UserProcess, PID: it.Leader, Line: p.line, ID: session.LineID(p.line),
		User: session.FieldText(it.User, userWidth), Host: session.FieldText(it.RemoteHost, hostWidth), Time: utmpx.TimeOf(it.Since),
	}
	if r.Host == "" {
		r.Host = session.FieldText(it.Display, hostWidth)
	}
	if x.hadAnother(it, p) || many(it) && p.since.Sub(it.Since) > openMost {
		r.Time = utmpx.TimeOf(p.since)
	}
	if it.Since.IsZero() {
		r.Time = utmpx.TimeOf(x.Now)
	}
	if ip, err := netip.ParseAddr(it.RemoteHost); err == nil {
		r.SetIP(ip.Unmap().WithZone(""))
	}
	order := &Order{Login: x.OpenKnown, from: x.from(it)}
	if open, ok := x.open[r.Line]; ok && x.mine(it, p, open.PID) && !open.Time.Time().Before(order.from) {
		r.Time, order.Login = open.Time, false
	}
	if slot := x.getty(r, it.Service); slot >= 0 {
		was := x.Records[slot]
		r.ID, order.Kind, order.Slot, order.Was = was.ID, TakeOver, slot, was
	} else if x.inTheWay(r) {
		return nil
	}
	order.Record = r
	return order
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
