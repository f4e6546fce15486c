// SPDX-License-Identifier: BSD-2-Clause

package proc

import "utmpd.dev/utmpd/internal/session"

// showing asks who shows the session of a user on a display.
type showing struct {
	display session.Display
	user    string
}

// gatherDisplays answers who shows sessions.
func gatherDisplays(questions []session.Question, evidence []session.Evidence) {
	var asked []showing
	for _, q := range questions {
		if q.Shown {
			asked = append(asked, showing{q.Display, q.User})
		}
	}
	if len(asked) == 0 {
		return
	}
	found := witnesses(logindDir, asked)
	for i, q := range questions {
		if q.Shown {
			evidence[i].Witness = found[showing{q.Display, q.User}]
		}
	}
}

// gatherIdle answers which users have no process.
func gatherIdle(questions []session.Question, evidence []session.Evidence) {
	var users []string
	for _, q := range questions {
		if q.Idle {
			users = append(users, q.User)
		}
	}
	if len(users) == 0 {
		return
	}
	resting, err := idle(users)
	for i, q := range questions {
		evidence[i].Idle = q.Idle && err == nil && resting[q.User]
	}
}
