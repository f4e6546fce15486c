// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/internal/table"
)

// simEvent is something that happens in a schedule: so long after the one
// before it or, with At, just before the next such call of utmpd's.
type simEvent struct {
	After   time.Duration
	Kind    string
	A, B, C int
	At      simfile.Call
}

// simSchedule is a world and what happens in it.
type simSchedule struct {
	World  [6]int // see settings
	Order  uint64
	Events []simEvent
}

func (s simSchedule) settings() simSettings {
	w := s.World
	return simSettings{
		grace:     []time.Duration{time.Second, 0, 100 * time.Millisecond, 5 * time.Second}[w[0]],
		scan:      []time.Duration{300 * time.Second, 20 * time.Second}[w[1]],
		maxFDs:    []int{4096, 4096, 4096, 1, 2}[w[2]],
		polling:   w[3] == 1,
		boot:      w[4] != 1,
		bootLate:  []time.Duration{3 * time.Second, 0, 0, 50 * time.Second}[w[4]],
		upAtStart: []time.Duration{10 * time.Hour, 30 * time.Second}[w[5]],
		order:     s.Order,
	}
}

// The kinds of event and how often they come.
var simKinds = []struct {
	kind   string
	weight int
	do     func(w *simWorld, e simEvent)
}{
	{"login", 30, func(w *simWorld, e simEvent) {
		line := e.A % simLines
		if s := w.pick(e.A); e.At != "" && e.B&512 != 0 && s != nil {
			line = s.number // while utmpd is at work on it, with luck
		}
		w.login(line, e.B%int(kinds), e.C)
	}},
	{"display", 6, func(w *simWorld, e simEvent) { w.showLogin(e.A%len(displayLines), e.B%showns, e.C) }},
	{"nameless", 3, func(w *simWorld, e simEvent) { w.nameless(e.A%2 == 0, e.B%2 == 0, e.B%3 != 0, e.C) }},
	{"exit", 20, func(w *simWorld, e simEvent) {
		if s := w.pick(e.A); s != nil {
			w.gone(s.proc, e.B%3 != 0)
			if e.B%8 == 7 {
				w.markSoon(s)
			}
		}
	}},
	{"hangup", 8, func(w *simWorld, e simEvent) { // all of a session, at once or so
		if s := w.pick(e.A); s != nil {
			w.gone(s.proc, e.B%3 != 0)
			if s.leader != nil {
				w.gone(s.leader, e.B%2 != 0)
			}
		}
	}},
	{"logout", 3, func(w *simWorld, e simEvent) { // of logind's session, with its leader
		if s := w.pick(e.A); s != nil && s.witness != nil {
			w.gone(s.leader, true)
			w.gone(s.witness, e.B%2 != 0)
		}
	}},
	{"unseen", 2, func(w *simWorld, e simEvent) {
		d := time.Duration(e.A%100) * time.Second
		w.disturb(d + w.scan) // the next periodic reading asks again
		if e.B%2 == 0 {
			w.hide(d)
			return
		}
		w.count("logind and /proc unreadable")
		w.unseenUntil = time.Now().Add(d)
	}},
	{"away", 1, func(w *simWorld, e simEvent) { // what ends meanwhile is seen late
		if time.Now().Before(w.awayUntil) {
			return
		}
		d := time.Duration(e.A%30) * time.Second
		w.count("utmpd is away")
		w.awaySince, w.awayUntil = time.Now(), time.Now().Add(d)
		w.aways = append(w.aways, simAway{w.awaySince, w.awayUntil})
		w.disturb(d)
	}},
	{"unnamed", 1, func(w *simWorld, e simEvent) {
		d := time.Duration(e.A%100) * time.Second
		w.count("names below /dev not to be looked up")
		w.unnamedUntil = time.Now().Add(d)
		w.disturb(d + retryUnnamed)
	}},
	{"leave", 6, func(w *simWorld, e simEvent) { // the leader alone
		if s := w.pick(e.A); s != nil && s.leader != nil {
			w.gone(s.leader, e.B%3 != 0)
		}
	}},
	{"reap", 4, func(w *simWorld, e simEvent) {
		if s := w.pick(e.A); s != nil && s.proc.ended {
			w.gone(s.proc, true)
		}
	}},
	{"clean", 8, func(w *simWorld, e simEvent) {
		if s := w.pick(e.A); s != nil && !s.lives() {
			w.clean(s, e.B%4 != 1, e.B%4 != 2)
		}
	}},
	{"flip", 3, func(w *simWorld, e simEvent) {
		if s := w.pick(e.A); s != nil {
			w.flip(s, e.B%2 == 0, e.B%4 == 2)
		}
	}},
	{"stranger", 4, func(w *simWorld, e simEvent) { // an old pid under another's process
		if len(w.pool) > 0 {
			if pid := w.pool[e.A%len(w.pool)]; w.procs[pid] == nil {
				w.spawn(pid)
				w.count("pid now a stranger's")
				w.tell("a stranger has pid %d", pid)
			}
		}
	}},
	{"lock", 5, func(w *simWorld, e simEvent) {
		name := []string{utmpName, wtmpName}[e.A%2]
		kind := []sysfile.LockKind{sysfile.ReadLock, sysfile.WriteLock}[e.B%2]
		d := []time.Duration{50 * time.Millisecond, 2 * time.Second, 12 * time.Second, 40 * time.Second}[e.C%4]
		if e.B%7 == 6 {
			d = forever
		}
		w.hold(name, kind, d)
	}},
	{"replace", 2, func(w *simWorld, e simEvent) { w.replace(e.A%2 == 0, e.B%4 == 0) }},
	{"cut", 1, func(w *simWorld, e simEvent) {
		w.disturb(0)
		if w.exists(utmpName) && e.At != simfile.Write && !w.blind(utmpName) { // between two instructions: nobody can help it
			w.count("utmp cut")
			w.files.Change(utmpName, func(data []byte) []byte { return data[:len(data)*(e.A%4)/4] })
			w.fileChanged()
		}
	}},
	{"remove", 1, func(w *simWorld, e simEvent) {
		w.remove([]string{utmpName, wtmpName}[e.A%2], time.Duration(e.B%20)*time.Second)
	}},
	{"rotate", 3, func(w *simWorld, e simEvent) {
		// Cut between two instructions, of which the second cuts or fills up a torn tail:
		// nobody can help it.
		torn := e.At == simfile.Truncate || e.At == simfile.Append && len(w.files.ReadFile(wtmpName))%simLayout.Size() != 0
		if e.A%4 != copiedAndCut || !torn {
			w.rotate(e.A % 4)
		}
	}},
	{"logfails", 3, func(w *simWorld, e simEvent) {
		w.logError = wtmpFull[e.A%len(wtmpFull)]
		d := []time.Duration{time.Second, 9 * time.Second, 30 * time.Second}[e.B%3]
		w.count("wtmp fails")
		w.logFailsUntil = time.Now().Add(d)
		w.disturb(d + 10*time.Second)
	}},
	{"filefails", 2, func(w *simWorld, e simEvent) {
		d := []time.Duration{time.Second, 9 * time.Second, 30 * time.Second}[e.B%3]
		w.count("utmp fails")
		w.fileFailsUntil = time.Now().Add(d)
		w.disturb(d + scanRetry)
	}},
	{"full", 2, func(w *simWorld, e simEvent) {
		d := time.Duration(e.A%20) * time.Second
		w.count("no descriptors")
		w.wasFull = true
		w.fullUntil = time.Now().Add(d)
		w.disturb(d + w.scan) // they are watched after the next reading
	}},
	{"notices", 3, func(w *simWorld, e simEvent) { w.disturb(0); w.notices = e.A % 4 }},
	{"step", 3, func(w *simWorld, e simEvent) {
		off := time.Duration(0)
		if n := len(w.steps); n > 0 {
			off = w.steps[n-1].off
		}
		by := []time.Duration{time.Hour, -time.Hour, 50 * time.Second, -50 * time.Second, time.Second, -time.Second, 70 * time.Second}[e.A%7]
		w.steps = append(w.steps, clockStep{time.Now(), off + by})
		w.disturb(0)
		w.count(fmt.Sprintf("clock stepped %s", map[bool]string{true: "forward", false: "back"}[by > 0]))
		w.tell("the clock is stepped by %v", by)
		if r := w.run; r != nil && r.set != nil && e.B%4 != 0 { // else a heartbeat finds it
			r.set()
		}
	}},
	{"kill", 6, func(w *simWorld, e simEvent) {
		if w.run != nil && !w.run.dead {
			w.disturb(0)
			w.run.killAt = w.run.calls + 1 + e.A%40
			if e.At != "" && e.B%3 == killNow {
				w.run.killAt = w.run.calls
			}
		}
	}},
	{"stop", 2, nil}, // by step
	{"start", 6, nil},
	{"request", 3, func(w *simWorld, e simEvent) {
		if s := w.pick(e.A); s != nil && w.run != nil && !w.run.dead {
			d, pid := w.run.d, s.rec.PID
			w.count("request")
			go d.emit(input{time.Now(), []table.Event{table.Requested{PIDs: []int32{pid}}}})
		}
	}},
	{"alone", 6, func(w *simWorld, e simEvent) { w.aloneLogin(e.A, min(e.B%(alones+3), aloneSu), e.C) }},
	{"aloneends", 8, func(w *simWorld, e simEvent) { w.aloneEnds(e.A, e.B) }},
	{"contained", 3, func(w *simWorld, e simEvent) { w.contained(e.A%3 == 0, e.B) }},
	{"ghost", 1, func(w *simWorld, e simEvent) { w.ghost(e.A) }},
	{"takeover", 3, func(w *simWorld, e simEvent) {
		if s := w.pick(e.A); s != nil {
			w.takeOver(s, e.B%2 == 0)
		}
	}},
	{"vanish", 4, func(w *simWorld, e simEvent) { w.vanish(e.A%3 != 0) }},
	{"getty", 5, func(w *simWorld, e simEvent) {
		if s := w.pick(e.A); s != nil && !s.lives() {
			w.getty(s)
		}
	}},
	{"lockless", 2, func(w *simWorld, e simEvent) { w.appendTorn(e.A%2 == 0) }},
}

// pick chooses a session, of the last ones mostly.
func (w *simWorld) pick(n int) *simSession {
	if len(w.sessions) == 0 {
		return nil
	}
	return w.sessions[len(w.sessions)-1-n%min(5, len(w.sessions))]
}

// happen has an event happen.
func (w *simWorld) happen(e simEvent) {
	time.Sleep(e.After)
	switch e.Kind {
	case "stop":
		w.stop()
		return
	case "start":
		w.start([]int{0, 0, 1, 3, -1}[e.A%5])
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	do := func() {}
	for _, k := range simKinds {
		if k.kind == e.Kind {
			do = func() { w.tell("event: %v", e); k.do(w, e) }
		}
	}
	if e.At == "" {
		do()
	} else {
		w.disturb(0)
		w.hooks = append(w.hooks, hook{e.At, do})
	}
	w.retry()
}

var hookCalls = []simfile.Call{
	simfile.Open, simfile.Lookup, simfile.Read, simfile.Write, simfile.Append, simfile.Truncate, simfile.TryLock,
	simfile.Unlock, simfile.Stat, simfile.Sync, simfile.Close, "pidfd", "look", "hold", "gather", "epoll", "save",
}

// writingCalls are those between which a kill leaves work half done.
var writingCalls = []simfile.Call{simfile.Append, simfile.Write, simfile.Truncate, simfile.Sync, "save"}

// killNow is the B of a kill before the very call that it waits for.
const killNow = 2

// newSchedule makes one from a seed.
func newSchedule(seed uint64) simSchedule {
	r := rand.New(rand.NewPCG(seed, 1))
	s := simSchedule{World: [6]int{r.IntN(4), r.IntN(2), r.IntN(5), max(0, r.IntN(8)-6), r.IntN(4), r.IntN(2)}}
	calm := r.IntN(4) == 0 // only logins and ends: the bounds hold exactly
	for range 15 + r.IntN(40) {
		s.Events = append(s.Events, newEvent(r, calm))
	}
	s.Order = 1 + r.Uint64N(1<<32)
	return s
}

func newEvent(r *rand.Rand, calm bool) simEvent {
	e := simEvent{A: r.IntN(1 << 10), B: r.IntN(1 << 10), C: r.IntN(opts)}
	if r.IntN(3) != 0 {
		e.C &= r.IntN(opts)
	}
	e.After = newPause(r)
	e.Kind = newKind(r)
	if calm && !slices.Contains([]string{"login", "hangup", "leave", "reap", "alone", "aloneends"}, e.Kind) {
		e.Kind = "exit"
	}
	if r.IntN(5) == 0 && !calm && e.Kind != "stop" && e.Kind != "start" {
		e.At = hookCalls[r.IntN(len(hookCalls))]
	}
	if e.Kind == "kill" && r.IntN(3) == 0 { // these come seldom by chance
		e.At, e.B = writingCalls[r.IntN(len(writingCalls))], killNow
	}
	return e
}

// newPause returns a time to the next event: mostly seconds, often next to none,
// sometimes longer than a scan takes to come.
func newPause(r *rand.Rand) time.Duration {
	pause := time.Duration(r.Int64N(int64(3 * time.Second)))
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		pause = time.Duration(r.Int64N(int64(10 * time.Millisecond)))
	case 4:
		pause = time.Duration(r.Int64N(int64(80 * time.Second)))
	}
	return pause
}

// newKind returns a kind of event, each as often as its weight says.
func newKind(r *rand.Rand) string {
	total := 0
	for _, k := range simKinds {
		total += k.weight
	}
	n := r.IntN(total)
	for _, k := range simKinds {
		if n -= k.weight; n < 0 {
			return k.kind
		}
	}
	panic("weights do not add up")
}

// String returns a schedule as text, and parseSchedule reads it.
func (s simSchedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "world %d %d %d %d %d %d\n", s.World[0], s.World[1], s.World[2], s.World[3], s.World[4], s.World[5])
	if s.Order != 0 {
		fmt.Fprintf(&b, "order %d\n", s.Order)
	}
	for _, e := range s.Events {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

func (e simEvent) String() string {
	s := fmt.Sprintf("%v %s %d %d %d", e.After, e.Kind, e.A, e.B, e.C)
	if e.At != "" {
		s += " @" + string(e.At)
	}
	return s
}

func parseSchedule(text []byte) (s simSchedule, err error) {
	for sc := bufio.NewScanner(bytes.NewReader(text)); sc.Scan(); {
		f := strings.Fields(sc.Text())
		if len(f) == 0 || f[0][0] == '#' {
			continue
		}
		switch f[0] {
		case "order":
			_, err = fmt.Sscan(strings.Join(f[1:], " "), &s.Order)
		case "world":
			_, err = fmt.Sscan(strings.Join(f[1:], " "), &s.World[0], &s.World[1], &s.World[2], &s.World[3], &s.World[4], &s.World[5])
		default:
			var e simEvent
			var after, at string
			_, err = fmt.Sscan(sc.Text()+" -", &after, &e.Kind, &e.A, &e.B, &e.C, &at)
			if at != "-" {
				e.At = simfile.Call(strings.TrimPrefix(at, "@"))
			}
			if err == nil {
				e.After, err = time.ParseDuration(after)
			}
			s.Events = append(s.Events, e)
		}
		if err != nil {
			return s, fmt.Errorf("%q: %w", sc.Text(), err)
		}
	}
	return s, nil
}
