// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"math"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// parseSession takes a session out of its object's properties. What is missing or of
// another type is empty. ok is false if it has no id, leader or user.
func parseSession(path string, properties map[string]dbus.Variant) (s Session, ok bool) {
	text := func(name string) string { v, _ := properties[name].Value().(string); return v }
	number := func(name string) uint32 { v, _ := properties[name].Value().(uint32); return v }
	s = Session{
		ID: text("Id"), Path: path, User: text("Name"),
		TTY: strings.TrimPrefix(text("TTY"), "/dev/"), Display: text("Display"),
		RemoteHost: text("RemoteHost"), Service: text("Service"),
		Class: text("Class"), State: text("State"), Scope: text("Scope"),
	}
	if seat, _ := properties["Seat"].Value().([]any); len(seat) > 0 {
		s.Seat, _ = seat[0].(string)
	}
	if pid := number("Leader"); pid <= math.MaxInt32 {
		s.Leader = int32(pid)
	}
	if vt := number("VTNr"); vt <= 63 {
		s.VT = int(vt)
	}
	if usec, _ := properties["Timestamp"].Value().(uint64); usec > 0 && usec <= math.MaxInt64/1000 {
		s.Since = time.UnixMicro(int64(usec))
	}
	return s, s.ID != "" && s.Leader > 0 && s.User != ""
}
