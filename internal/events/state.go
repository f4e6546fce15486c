// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"encoding/json"
	"fmt"
	"slices"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// state is a Stream as it is saved. Lines are bytes: they may be anything.
type state struct {
	Boots    *boots.Checkpoint   `json:"boots"`
	Sessions sessions.Checkpoint `json:"sessions"`
	FirstID  []lineID            `json:"first_id,omitempty"`
	Whole    bool                `json:"whole"`
	Shut     [][]byte            `json:"shut,omitempty"`
	Old      *utmpx.Time         `json:"old,omitempty"`
}

type lineID struct {
	Line []byte `json:"line"`
	ID   string `json:"id"`
}

// Save returns the Stream as JSON, for [Restore].
func (s *Stream) Save() ([]byte, error) {
	out := state{Boots: s.boots.Checkpoint(), Sessions: s.sessions.Checkpoint(), Whole: s.whole, Old: s.old}
	for line, id := range s.firstID {
		out.FirstID = append(out.FirstID, lineID{[]byte(line), id})
	}
	slices.SortFunc(out.FirstID, func(a, b lineID) int { return slices.Compare(a.Line, b.Line) })
	for line := range s.shut {
		out.Shut = append(out.Shut, []byte(line))
	}
	slices.SortFunc(out.Shut, slices.Compare)
	return json.Marshal(out)
}

// Restore returns a Stream that goes on where the one was that was saved.
func Restore(saved []byte) (*Stream, error) {
	var in state
	err := json.Unmarshal(saved, &in)
	s := NewStream()
	if err == nil {
		s.sessions, err = sessions.Resume(in.Sessions)
	}
	if err != nil {
		return nil, fmt.Errorf("not the state of events: %w", err)
	}
	s.boots, s.whole, s.old = boots.Resume(in.Boots), in.Whole, in.Old
	for _, l := range in.FirstID {
		s.firstID[string(l.Line)] = l.ID
	}
	for _, line := range in.Shut {
		s.shut[string(line)] = struct{}{}
	}
	return s, nil
}
