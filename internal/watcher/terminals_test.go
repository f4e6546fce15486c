// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"syscall"
	"testing"

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
		r.want(Event{Kind: Checked, Terminals: []uint64{1, 2, 3}, Gone: []uint64{1}})
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
		r.wantHeld(3, false)
		k.hungUp = map[string]bool{"pts/0": true, "pts/1": true}
		r.Do([]Order{{Op: Check, Terminals: []uint64{1, 2}}})
		r.want(Event{Kind: Checked, Terminals: []uint64{1, 2}, Gone: []uint64{1}})
	})
}

// TestNoDescriptorForTerminal: nothing is lost but the view.
func TestNoDescriptorForTerminal(t *testing.T) {
	k := newWorld()
	inWorld(t, k, 10, func(r *rig) {
		k.openErr = syscall.EMFILE
		r.hold(1, "pts/0")
		r.wantHeld(1, false)
		k.openErr = nil
		r.hold(1, "pts/0")
		r.wantHeld(1, true)
	})
}
