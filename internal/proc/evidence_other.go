// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package proc

import "utmpd.dev/utmpd/internal/session"

// Gather answers questions about sessions, in their order. It blocks for one pass
// over /proc at most, however many there are. Whose the leaders are is not known
// here: each counts as root's.
func Gather(questions []session.Question) []session.Evidence {
	var lines []string
	for _, q := range questions {
		if q.Line != "" {
			lines = append(lines, q.Line)
		}
	}
	leaders, err := Leaders(lines)
	evidence := make([]session.Evidence, len(questions))
	for i, q := range questions {
		l := leaders[q.Line]
		evidence[i] = session.Evidence{Key: q.Key, Hidden: l.Exists && !l.Found && err != nil}
		if l.Found {
			evidence[i].Leaders = []session.Candidate{{ID: l.ID}}
		}
	}
	gatherDisplays(questions, evidence)
	gatherIdle(questions, evidence)
	return evidence
}

// Look answers nothing here: who descends from whom is not known.
func Look(sights []session.Sight) []session.Sighting {
	seen := make([]session.Sighting, len(sights))
	for i, q := range sights {
		seen[i].Key = q.Key
	}
	return seen
}

// LookHeld is [Look].
func LookHeld(sights []session.Sight, _ []*Terminal) []session.Sighting { return Look(sights) }
