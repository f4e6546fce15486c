// SPDX-License-Identifier: BSD-2-Clause

package proc

import "utmpd.dev/utmpd/internal/session"

// Gather answers questions about sessions, in their order. It blocks for one pass
// over /proc at most, however many there are.
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
			evidence[i].Leaders = []session.Leader{{ID: l.ID}}
		}
	}
	return evidence
}
