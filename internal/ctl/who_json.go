// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"time"
	"unicode/utf8"

	judge "utmpd.dev/utmpd/internal/table"
)

// whoJSON is a session in JSON. A text that is not UTF-8 is kept as a further field, in
// base64.
type whoJSON struct {
	User    string     `json:"user"`
	UserRaw []byte     `json:"user_raw,omitempty"`
	Line    string     `json:"line"`
	LineRaw []byte     `json:"line_raw,omitempty"`
	Host    string     `json:"host"`
	HostRaw []byte     `json:"host_raw,omitempty"`
	Addr    *string    `json:"addr"`
	Since   *time.Time `json:"since"`
	PID     int32      `json:"pid"`
	Slot    *int       `json:"slot"`   // null: only logind has the session
	Source  string     `json:"source"` // "utmp", "logind"
	State   *string    `json:"state"`  // "lives", "ghost", "doubt"; null: a file was read
	LivesBy *int32     `json:"lives_by"`
	Reason  *string    `json:"reason"`
	Idle    *float64   `json:"idle_seconds"`
	Command *string    `json:"command"`
	Running *int32     `json:"command_pid"`
	Leader  *int32     `json:"leader_pid"` // of the line
	Logind  *string    `json:"logind_session"`

	How   *string `json:"known_by,omitempty"` // with -v
	Utmpd *string `json:"utmpd,omitempty"`
	Next  *string `json:"next,omitempty"`
}

func (a *attendance) writeJSON() error {
	for _, p := range a.all {
		if err := printJSON(a.in.stdout, "", a.json(p)); err != nil {
			return err
		}
	}
	return nil
}

func (a *attendance) json(p *presence) whoJSON {
	j := whoJSON{User: p.user, UserRaw: raw(p.user), Line: p.line, LineRaw: raw(p.line), Host: p.host, HostRaw: raw(p.host), PID: p.pid, Source: "utmp"}
	if y := p.since.UTC().Year(); y >= 0 && y <= 9999 && !p.since.IsZero() {
		since := p.since.UTC()
		j.Since = &since
	}
	if p.record == nil {
		j.Source = "logind"
	} else {
		j.Slot = &p.slot
		if ip, ok := p.record.IP(); ok {
			j.Addr = some(ip.String())
		}
	}
	if p.login != nil {
		j.Logind = &p.login.ID
	}
	if !a.own {
		return j
	}
	a.addVerdict(&j, p)
	return j
}

// addVerdict adds what is not in the file.
func (a *attendance) addVerdict(j *whoJSON, p *presence) {
	v := p.verdict
	switch {
	case p.record == nil && p.login.Lives:
		j.State, j.LivesBy = some("lives"), &p.login.Leader
	case p.ghost():
		j.State = some("ghost")
	case p.record == nil:
		j.State, j.LivesBy = some("lives"), &p.login.LivesBy
	case v.Standing == judge.Lives:
		j.State, j.LivesBy = some("lives"), &v.Process.PID
	default:
		j.State = some("doubt")
	}
	if why := p.why(); why != "" {
		j.Reason = &why
	}
	if d, known := a.idle(p); known {
		j.Idle = some(d.Seconds())
	}
	if d := p.doing(); d.ID.PID != 0 {
		j.Command, j.Running = &d.Command, &d.ID.PID
	}
	if pid := p.activity.Leader.ID.PID; pid != 0 {
		j.Leader = &pid
	}
	if a.in.set["v"] {
		j.How, j.Utmpd, j.Next = some(a.processText(p)), some(a.daemon.watch(p)), some(a.daemon.next(p))
	}
}

func some[T any](v T) *T { return &v }

// raw returns the bytes of a text that is not UTF-8.
func raw(s string) []byte {
	if utf8.ValidString(s) {
		return nil
	}
	return []byte(s)
}
