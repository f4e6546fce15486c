// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

func (r *rig) hold(key uint64, line string) {
	r.Do([]Order{{Op: Look, Sights: []session.Sight{{Key: key, Line: line, Hold: true}}}})
}

// wantHeld checks the answer to hold.
func (r *rig) wantHeld(key uint64, held bool) {
	r.t.Helper()
	r.want(Event{Kind: Looked, Sightings: []session.Sighting{{Key: key, Held: held}}})
}

func TestTerminal(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		r.hold(1, "pts/0")
		r.wantHeld(1, true)
		r.hold(2, "pts/1")
		r.wantHeld(2, true)
		r.hold(1, "pts/0") // already
		r.wantHeld(1, false)
		k.hungUp = map[string]bool{"pts/0": true}
		r.Do([]Order{{Op: Check, Terminals: []uint64{1, 2, 3}}})
		r.want(Event{Kind: Checked, Terminals: []uint64{1, 2}, Gone: []uint64{1}}) // nobody looked at 3
		k.evidence = []session.Evidence{{Key: 7}, {Key: 8}, {Key: 9}}
		r.Do([]Order{{Op: Gather, Questions: []session.Question{{Key: 7, Held: 1}, {Key: 8, Held: 2}, {Key: 9}}}})
		r.want(Event{Kind: Gathered, Evidence: []session.Evidence{{Key: 7, Gone: true}, {Key: 8}, {Key: 9}}})
		r.Do([]Order{{Op: Release, Terminals: []uint64{1, 1, 3}}})
		r.wantWatched(0, 1)
	})
}

// TestProcessBeforeTerminal: where there is no room for both, the process is watched, and
// the terminal that came last is given up.
func TestProcessBeforeTerminal(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 3, func(r *rig) {
		r.hold(1, "pts/0")
		r.wantHeld(1, true)
		r.hold(2, "pts/1")
		r.wantHeld(2, true)
		a, b := k.start(7), k.start(8)
		r.watch(7, 8)
		r.want(Event{Kind: Alive, PID: 7, Token: 1, ID: a}, Event{Kind: Alive, PID: 8, Token: 2, ID: b})
		r.wantWatched(2, 3)
		r.hold(3, "pts/2")
		r.wantHeld(3, true) // it waits
		r.wantWatched(2, 3)
		k.hungUp = map[string]bool{"pts/0": true, "pts/1": true}
		r.Do([]Order{{Op: Check, Terminals: []uint64{1, 2}}})
		r.want(Event{Kind: Checked, Terminals: []uint64{1}, Gone: []uint64{1}}) // 2 is not looked at
	})
}

// TestTerminalShares: an ordinary user with many terminals takes nobody else's place, and
// gives up those that came last.
func TestTerminalShares(t *testing.T) {
	k := newWorld()
	k.owners = map[string]uint32{"pts/7": 1000, "pts/8": 1000, "pts/9": 1001}
	inWorld(t, k, 5, func(r *rig) {
		gone := func(want ...uint64) {
			t.Helper()
			k.hungUp = map[string]bool{"pts/1": true, "pts/2": true, "pts/3": true, "pts/4": true, "pts/5": true, "pts/6": true,
				"pts/7": true, "pts/8": true, "pts/9": true}
			all := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}
			r.Do([]Order{{Op: Check, Terminals: all}})
			r.want(Event{Kind: Checked, Terminals: want, Gone: want}) // all that are held
		}
		for key := range uint64(6) {
			key++
			k.owners[fmt.Sprintf("pts/%d", key)] = 4242
			r.hold(key, fmt.Sprintf("pts/%d", key))
			r.wantHeld(key, true)
		}
		gone(1, 2, 3, 4, 5) // the last one waits
		r.hold(7, "pts/7")
		r.wantHeld(7, true)
		r.hold(8, "pts/8")
		r.wantHeld(8, true)
		r.hold(9, "pts/9")
		r.wantHeld(9, true)
		gone(1, 2, 7, 8, 9)
		r.wantWatched(0, 5)
		k.start(70)
		r.watch(70)
		r.want(Event{Kind: Alive, PID: 70, Token: 1, ID: k.living[70].id})
		gone(1, 2, 7, 9) // a process comes first
		r.Do([]Order{{Op: Release, Terminals: []uint64{9, 4}}})
		time.Sleep(2 * holdSoon)
		gone(1, 2, 7, 8) // of those that wait, one of who has least
		r.Do([]Order{{Op: Release, Terminals: []uint64{1, 2, 3, 5, 6, 7, 8}}})
		r.wantWatched(1, 1)
	})
}

// TestTerminalTriedAgain: where the system refused a descriptor, nothing tells when there is
// one again.
func TestTerminalTriedAgain(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		k.openErr = syscall.EMFILE
		r.hold(1, "pts/0")
		r.wantHeld(1, true)
		time.Sleep(3 * holdAgain)
		r.wantWatched(0, 0)
		k.mu.Lock()
		k.openErr = nil
		k.mu.Unlock()
		time.Sleep(2 * holdAgain)
		r.wantWatched(0, 1)
		r.Do([]Order{{Op: Release, Terminals: []uint64{1}}})
		r.wantWatched(0, 0)
	})
}

// TestTerminalsDoNotSwap: where the system refuses more descriptors, terminals of one owner do
// not take each other's place again and again.
func TestTerminalsDoNotSwap(t *testing.T) {
	k := newWorld()
	k.most = 4 // with the poller
	k.owners = map[string]uint32{}
	inWorld(t, k, 100, func(r *rig) {
		for key := range uint64(8) {
			line := fmt.Sprintf("pts/%d", key+1)
			k.owners[line] = 4242
			r.hold(key+1, line)
			r.wantHeld(key+1, true)
		}
		k.mu.Lock()
		before := k.holds
		k.mu.Unlock()
		time.Sleep(10 * holdAgain)
		k.mu.Lock()
		again := k.holds - before
		k.mu.Unlock()
		if again > 0 {
			t.Errorf("%d terminals were held again in place of others", again)
		}
		k.owners["pts/9"] = 1000
		r.hold(9, "pts/9")
		r.wantHeld(9, true)
		r.wantWatched(0, 3)
		r.Do([]Order{{Op: Release, Terminals: []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}}})
		r.wantWatched(0, 0)
	})
}
