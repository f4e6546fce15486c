// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/sysfile"
)

var (
	bridgeCount = flag.Int("bridge.n", 300, "how many random worlds with logind to run")
	bridgeSeed  = flag.Uint64("bridge.seed", 1, "the first one's seed")
	bridgeTell  = flag.Bool("bridge.tell", false, "run the first one alone, and tell what happens")
)

// TestBridge runs utmpd in simulated worlds in which logind knows sessions that somebody
// else records: before, after, or never. It checks the laws.
func TestBridge(t *testing.T) {
	onOneProcessor(t)
	tally := simTally{}
	if *bridgeTell {
		var log bytes.Buffer
		wrong := runBridge(t, *bridgeSeed, &log, tally)
		t.Logf("%s\n%s", log.String(), tally)
		if wrong != nil {
			t.Error(strings.Join(wrong, "\n"))
		}
		return
	}
	// Of two terminals of a connection, one was closed with the other; a number that it got again
	// at once had no record. A getty had the record of a session whose login the log refused.
	seeds := []uint64{52420, 51666, 1172}
	count := *bridgeCount
	if testing.Short() {
		count = min(count, 60)
	}
	for i := range count {
		seeds = append(seeds, *bridgeSeed+uint64(i))
	}
	for _, seed := range seeds {
		if wrong := runBridge(t, seed, nil, tally); wrong != nil {
			t.Fatalf("world %d (see it with -bridge.tell -bridge.seed %d):\n%s", seed, seed, strings.Join(wrong, "\n"))
		}
	}
	t.Logf("%d worlds\n%s", count, tally)
	if count < 300 {
		return
	}
	for _, what := range []string{
		"recorded", "getty's record taken over", "terminal made by a program", "withdrawn", "marked", "logins appended", "logouts appended", "owner cleans",
		"logind restarts", "signal lost", "leader killed", "all killed", "terminal closed, its connection goes on", "its number is another connection's at once",
		"utmpd killed", "killed after a login in the log", "killed after a record", "restart with state", "right at the end", "lock held by somebody", "a login that the log had refused",
	} {
		if tally[what] < count/20 {
			t.Errorf("%s: %d times in %d worlds", what, tally[what], count)
		}
	}
}

func runBridge(t *testing.T, seed uint64, log *bytes.Buffer, tally simTally) (wrong []string) {
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("world %d: %v", seed, p))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newSimWorld(simSettings{
			grace: time.Second, scan: 20 * time.Second, maxFDs: 4096, boot: true, upAtStart: 10 * time.Hour, order: 1 + r.Uint64N(1<<32),
		}, log)
		w.bridge = newSimBridge(w)
		w.bridge.unlisted = seed%4 == 0
		if seed%5 == 2 {
			w.bridge.refuse(rand.New(rand.NewPCG(seed, 8)))
		}
		w.start(0)
		time.Sleep(100 * time.Millisecond)
		for range 10 + r.IntN(30) {
			time.Sleep(newPause(r))
			w.bridge.happen(r)
		}
		w.bridge.finish(25 * time.Minute)
		wrong = w.wrong
		tally.add(w.tally)
	})
	return wrong
}

// happen has one thing happen.
func (b *simBridge) happen(r *rand.Rand) {
	w := b.w
	what, a := r.IntN(40), r.IntN(1<<10)
	switch what {
	case 0, 1:
		w.mu.Lock()
		if b.strike = a % 4; b.strike == 0 && w.run != nil && !w.run.dead {
			w.run.killAt = w.run.calls + 1 + a/4%40
		}
		w.mu.Unlock()
		return
	case 2:
		w.stop()
		return
	case 3, 4, 5:
		b.forgot = b.forgot || a%4 != 0
		w.start([]int{0, 1, -1, 2}[a%4])
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case what < 20:
		b.login(a%lgOwners, r.IntN(4), r.IntN(1<<10))
	case what < 30:
		if s := b.pick(a); s != nil {
			b.leave(s, r.IntN(4))
		}
	case what < 33:
		if s := b.pick(a); s != nil && s.owner <= lgSSHRoot && !s.leader.ended && len(s.terminals) > 0 {
			w.count("second terminal")
			b.terminal(s, r.IntN(4))
		}
	case what < 35:
		b.restart(time.Duration(a%5000) * time.Millisecond)
	case what < 37:
		b.hear(!b.deaf)
	default:
		w.hold([]string{utmpName, wtmpName}[a%2], []sysfile.LockKind{sysfile.ReadLock, sysfile.WriteLock}[a/2%2], time.Duration(a%10)*time.Second)
	}
	w.retry()
}

// refuse has the log take nothing now and then.
func (b *simBridge) refuse(r *rand.Rand) {
	for at, i := time.Duration(0), 0; i < 10; i++ {
		at += time.Duration(r.IntN(120)) * time.Second
		b.after(at, func() {
			if b.over {
				return
			}
			b.w.count("wtmp fails")
			b.w.logError = []error{syscall.ENOSPC, syscall.EPERM, syscall.EIO}[r.IntN(3)]
			b.w.logFailsUntil = time.Now().Add(time.Duration(r.IntN(40)) * time.Second)
			b.w.disturb(time.Until(b.w.logFailsUntil) + 10*time.Second)
		})
	}
}

// pick chooses one of the last sessions.
func (b *simBridge) pick(n int) *lgSession {
	if len(b.sessions) == 0 {
		return nil
	}
	return b.sessions[len(b.sessions)-1-n%min(6, len(b.sessions))]
}

// finish leaves the world alone and then ends it, checking the laws on the way.
func (b *simBridge) finish(rest time.Duration) {
	w := b.w
	w.mu.Lock()
	b.strike, b.over = 0, true
	b.hear(false)
	w.mu.Unlock()
	w.leaveAlone()
	time.Sleep(rest)
	b.check()
	w.mu.Lock()
	w.tell("all ends")
	for _, s := range b.sessions {
		w.gone(s.leader, true)
		for _, t := range s.terminals {
			b.close(t, false)
		}
		s.listed = false
	}
	b.signal()
	w.mu.Unlock()
	time.Sleep(rest)
	b.check()
	b.checkLog()
	w.stop()
	if len(w.run.handles) != 0 {
		w.broken("5: %d files are open at the end", len(w.run.handles))
	}
}

// inBridge runs a test in a simulated world with logind.
func inBridge(t *testing.T, test func(b *simBridge)) {
	onOneProcessor(t)
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(simSettings{grace: time.Second, scan: 20 * time.Second, maxFDs: 4096, boot: true, upAtStart: 10 * time.Hour, order: 1}, nil)
		w.bridge = newSimBridge(w)
		w.start(0)
		time.Sleep(time.Second)
		test(w.bridge)
		w.stop()
		for _, wrong := range w.wrong {
			t.Error(wrong)
		}
	})
}

// At rest nobody is asked anything: no session of logind, and no process.
func TestBridgeAtRest(t *testing.T) {
	inBridge(t, func(b *simBridge) {
		b.w.mu.Lock()
		b.login(lgSSH, 0, 0)
		b.login(lgSSHNever, 1, 0)
		b.login(lgLogin, 2, 0)
		b.w.mu.Unlock()
		time.Sleep(time.Minute)
		b.w.mu.Lock()
		lists, passes := b.lists, b.passes
		b.w.mu.Unlock()
		time.Sleep(24 * time.Hour)
		b.w.mu.Lock()
		defer b.w.mu.Unlock()
		if b.lists != lists || b.passes != passes {
			t.Errorf("in a day at rest %d lists of sessions, %d passes over /proc", b.lists-lists, b.passes-passes)
		}
	})
}

// A terminal that sshd has made in a session nobody told of has the sessions listed.
func TestBridgeMissedSession(t *testing.T) {
	inBridge(t, func(b *simBridge) {
		b.w.mu.Lock()
		b.deaf = true
		b.login(lgSSHNever, 0, 0)
		b.w.mu.Unlock()
		time.Sleep(10 * time.Second)
		b.check()
	})
}

// A connection closes a terminal and gets the same number again while utmpd is away: the new
// one has a record of its own, with its own time.
func TestBridgeReopened(t *testing.T) {
	for _, dies := range []bool{false, true} {
		inBridge(t, func(b *simBridge) {
			w := b.w
			w.mu.Lock()
			if dies { // before the table is saved with the record
				b.strike = strikeRecord
			}
			b.login(lgSSHNever, 0, 0)
			w.mu.Unlock()
			time.Sleep(time.Minute)
			w.stop()
			w.mu.Lock()
			s := b.sessions[0]
			b.close(s.terminals[0], false)
			w.mu.Unlock()
			time.Sleep(time.Minute)
			w.mu.Lock()
			b.terminal(s, 0)
			w.mu.Unlock()
			w.start(0)
			b.finish(time.Minute)
			if n := w.tally["recorded"]; n != 2 {
				t.Errorf("killed: %v: %d records, want one of each terminal", dies, n)
			}
		})
	}
}

// The leader of a graphical session is killed after utmpd has recorded the session, and before
// the display manager does, which is another process: then one record is left.
func TestBridgeLeaderKilledEarly(t *testing.T) {
	for _, owner := range []int{lgLightDM, lgGDMShown} {
		inBridge(t, func(b *simBridge) {
			w := b.w
			w.mu.Lock()
			b.login(owner, 0, 0)
			w.mu.Unlock()
			time.Sleep(17 * time.Second)
			w.mu.Lock()
			b.leave(b.sessions[0], 1)
			w.mu.Unlock()
			time.Sleep(time.Minute)
			b.check()
			if w.tally["recorded"] != 1 || w.tally["withdrawn"] != 1 || w.tally["right at the end"] != 1 {
				t.Errorf("owner %d:\n%v", owner, w.tally)
			}
			b.finish(time.Minute)
		})
	}
}

// TestBridgeKilledAnywhere kills utmpd at each of its calls from a login on, and starts it
// again: with the session still there, or over. Nothing is doubled, and nothing stays open.
// In short it is every seventh call, and another one for each end.
func TestBridgeKilledAnywhere(t *testing.T) {
	onOneProcessor(t)
	step, cases := 1, 0
	if testing.Short() {
		step = 7
	}
	for _, c := range []struct{ owner, logins int }{{lgSSHNever, 1}, {lgSSH, 1}, {lgSSHRoot, 1}, {lgLogin, 1}, {lgLoginPAM, 1}, {lgLightDM, 1}, {lgGDMShown, 1}, {lgLightDM, 3}} {
		ends := []int{stays, killed}
		if c.owner <= lgSSHRoot { // which closes what it finds recorded
			ends = append(ends, leaves, closes, leavesSoon)
		}
		for _, over := range ends {
			cases++
			for at := 1 + cases%step; ; at += step {
				wrong, hit := killedAt(t, c.owner, c.logins, at, over)
				if wrong != nil {
					t.Fatalf("%d logins of owner %d, killed at call %d, over: %d:\n%s", c.logins, c.owner, at, over, strings.Join(wrong, "\n"))
				}
				if !hit {
					t.Logf("%d logins of owner %d, over: %d: %d calls", c.logins, c.owner, over, at-1)
					if at < 40 {
						t.Errorf("only %d calls", at-1)
					}
					break
				}
			}
		}
	}
}

// How sessions end while utmpd is away: not at all, as they should, killed, or but for their
// connection. Or they end as they should when it is back.
const (
	stays      = -1
	leaves     = 0
	killed     = 2
	closes     = 3
	leavesSoon = 4
)

func killedAt(t *testing.T, owner, logins, at, over int) (wrong []string, hit bool) {
	synctest.Test(t, func(*testing.T) {
		w := newSimWorld(simSettings{grace: time.Second, scan: 20 * time.Second, maxFDs: 4096, boot: true, upAtStart: 10 * time.Hour, order: 1}, nil)
		b := newSimBridge(w)
		w.bridge = b
		w.start(0)
		time.Sleep(time.Second)
		w.mu.Lock()
		w.run.killAt = w.run.calls + at
		for i := range logins {
			b.login(owner, i, 0)
			w.mu.Unlock()
			time.Sleep(200 * time.Millisecond)
			w.mu.Lock()
		}
		w.mu.Unlock()
		time.Sleep(40 * time.Second)
		w.mu.Lock()
		hit = w.run.dead
		w.run.killAt = 0
		leave := func(how int) {
			for _, s := range b.sessions {
				b.leave(s, how)
			}
		}
		switch over {
		case stays:
		case leavesSoon:
			b.after(time.Duration(at%12)*time.Millisecond, func() { leave(leaves) })
		default:
			leave(over)
		}
		w.mu.Unlock()
		w.start(0)
		b.finish(time.Minute)
		wrong = w.wrong
	})
	return wrong, hit
}
