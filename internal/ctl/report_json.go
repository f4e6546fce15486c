// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/json"
	"io"
	"time"

	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/sessions"
)

// reportJSON is a report as JSON.
type reportJSON struct {
	Since    time.Time    `json:"since"`
	Until    time.Time    `json:"until"`
	Boots    sum          `json:"boots"` // as downtime's total
	Sessions sessionsJSON `json:"sessions"`
	Users    []userJSON   `json:"users"`                 // those with most time first
	Left     int          `json:"other_users,omitempty"` // sessions of users beyond mostUsers
}

// usageJSON is how long somebody, or all, were on.
type usageJSON struct {
	Sessions int     `json:"sessions"`
	Least    float64 `json:"on_for_least_seconds"`
	Most     float64 `json:"on_for_most_seconds"`
	Unknown  int     `json:"of_unknown_length"` // sessions that count in neither
	On       int     `json:"on_now"`
}

type sessionsJSON struct {
	usageJSON
	EndedBy map[sessions.Ending]int `json:"ended_by"` // all endings
}

type userJSON struct {
	name string
	usageJSON
	Last *time.Time `json:"last_login"` // null: the login is not in the log
}

// MarshalJSON puts the name first. It may hold any bytes.
func (u userJSON) MarshalJSON() ([]byte, error) {
	type plain userJSON
	rest, err := json.Marshal(plain(u))
	if err != nil {
		return nil, err
	}
	b := recordjson.AppendText(nil, "user", u.name)
	b[0] = '{' // in place of a comma
	return append(append(b, ','), rest[1:]...), nil
}

func (u *usage) asJSON() usageJSON {
	return usageJSON{u.sessions, u.least.Seconds(), u.most.Seconds(), u.unknown, u.on}
}

func (r *summary) writeJSON(w io.Writer) error {
	out := reportJSON{
		Since: r.since, Until: r.until, Boots: sumOf(r.sum, r.booted), Left: r.left, Users: []userJSON{},
		Sessions: sessionsJSON{r.all.asJSON(), map[sessions.Ending]int{}},
	}
	for _, e := range sessions.Endings() {
		out.Sessions.EndedBy[e] = r.endings[e]
	}
	for _, name := range byTime(r.users) {
		u := userJSON{name: name, usageJSON: r.users[name].asJSON()}
		if last := r.users[name].last; !last.IsZero() {
			u.Last = &last
		}
		out.Users = append(out.Users, u)
	}
	return printJSON(w, "  ", out)
}
