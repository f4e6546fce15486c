// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/utmpx"
)

// state is a Stream as it is saved. Names are bytes: they may be anything.
type state struct {
	Boots   *boots.Checkpoint `json:"boots"`
	Open    []savedLogin      `json:"open"`
	Whole   bool              `json:"whole"`
	Shut    [][]byte          `json:"shut,omitempty"`
	Old     *utmpx.Time       `json:"old,omitempty"`
	Stepped time.Duration     `json:"stepped_ns"`
}

type savedLogin struct {
	Line    []byte        `json:"line"`
	User    []byte        `json:"user"`
	Host    []byte        `json:"host,omitempty"`
	Addr    *netip.Addr   `json:"addr,omitempty"`
	PID     int32         `json:"pid"`
	Time    utmpx.Time    `json:"time"`
	Stepped time.Duration `json:"stepped_ns,omitempty"`
	Unsure  bool          `json:"unsure,omitempty"`
}

// Save returns the Stream as JSON, for [Restore].
func (s *Stream) Save() ([]byte, error) {
	out := state{Boots: s.boots.Checkpoint(), Open: []savedLogin{}, Whole: s.whole, Old: s.old, Stepped: s.stepped}
	for _, l := range s.open {
		saved := savedLogin{Line: []byte(l.Line), User: []byte(l.User), Host: []byte(l.Host), PID: l.PID,
			Time: l.at, Stepped: l.stepped, Unsure: l.unsure}
		if l.Addr.IsValid() {
			saved.Addr = &l.Addr
		}
		out.Open = append(out.Open, saved)
	}
	slices.SortFunc(out.Open, func(a, b savedLogin) int { return cmp.Compare(string(a.Line), string(b.Line)) })
	for line := range s.shut {
		out.Shut = append(out.Shut, []byte(line))
	}
	slices.SortFunc(out.Shut, slices.Compare)
	return json.Marshal(out)
}

// Restore returns a Stream that goes on where the one was that was saved.
func Restore(saved []byte) (*Stream, error) {
	var in state
	if err := json.Unmarshal(saved, &in); err != nil {
		return nil, fmt.Errorf("not the state of events: %w", err)
	}
	s := NewStream()
	s.boots, s.whole, s.old, s.stepped = boots.Resume(in.Boots), in.Whole, in.Old, in.Stepped
	for _, l := range in.Open {
		open := login{
			Session: Session{ID: sessionID(l.Time, l.PID, string(l.Line)), Line: string(l.Line), User: string(l.User),
				Host: string(l.Host), PID: l.PID, Began: l.Time.Time()},
			at: l.Time, stepped: l.Stepped, unsure: l.Unsure,
		}
		if l.Addr != nil {
			open.Addr = *l.Addr
		}
		s.open[open.Line] = open
	}
	for _, line := range in.Shut {
		s.shut[string(line)] = struct{}{}
	}
	return s, nil
}
