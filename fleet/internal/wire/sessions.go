// SPDX-License-Identifier: BSD-2-Clause

package wire

import "time"

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
