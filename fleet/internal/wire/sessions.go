// SPDX-License-Identifier: BSD-2-Clause

package wire

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Sessions are those on a host, or a piece of them. The other pieces count only while piece 0
// says that they are split.
type Sessions struct {
	Machine  string    `json:"machine_id"`
	Boot     string    `json:"boot_id"`
	Time     time.Time `json:"time"` // when they were read, by the host's clock
	Split    bool      `json:"split,omitempty"`
	Unread   string    `json:"unread,omitempty"`
	Sessions []Session `json:"sessions"`
}

// Session is one session that is on. A text that is not UTF-8 is kept as a further field.
type Session struct {
	User    string     `json:"user"`
	UserRaw []byte     `json:"user_raw,omitempty"`
	Line    string     `json:"line"`
	LineRaw []byte     `json:"line_raw,omitempty"`
	Host    string     `json:"host"`
	HostRaw []byte     `json:"host_raw,omitempty"`
	Addr    string     `json:"addr,omitempty"`
	PID     int32      `json:"pid"`
	Since   *time.Time `json:"since"`
}

// Snapshot returns the form of sessions in a snapshot. If they are too many for one, it says
// so in place of them.
func (s Sessions) Snapshot() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil || len(b) <= MaxEvent {
		return b, err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if packed.Len() > MaxSnapshot-MaxEvent || len(b) > MaxSessions {
		s.Unread, s.Sessions = fmt.Sprintf("%d sessions are too many for a snapshot", len(s.Sessions)), []Session{}
		return json.Marshal(s)
	}
	return packed.Bytes(), nil
}

// ParseSnapshot reads what Snapshot returned.
func ParseSnapshot(b []byte) (s Sessions, err error) {
	if bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return s, err
		}
		if b, err = io.ReadAll(io.LimitReader(r, MaxSessions+1)); err != nil {
			return s, err
		}
		if len(b) > MaxSessions {
			return s, fmt.Errorf("more than %d bytes", MaxSessions)
		}
	}
	err = json.Unmarshal(b, &s)
	return s, err
}
