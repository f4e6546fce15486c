// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"io"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/sessions"
)

// BenchmarkSessionForms makes the line of one session.
func BenchmarkSessionForms(b *testing.B) {
	from := at("2026-07-01 08:00").Add(123456 * time.Microsecond)
	s := sessions.Session{Login: login("pts/12", 4711, "08:00"), From: from, End: sessions.Logout,
		To: from.Add(time.Hour), Exact: true, Least: from.Add(time.Hour), Most: from.Add(time.Hour)}
	v := &listing{now: from.Add(24 * time.Hour)}
	for _, form := range []struct {
		name string
		p    printer
	}{
		{"json", &sessionLines{w: io.Discard, now: v.now}},
		{"table", newSessionTable(v, screen{width: 80}, io.Discard)},
	} {
		b.Run(form.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.From = from.Add(time.Duration(i%3600) * 1001 * time.Millisecond)
				s.To = s.From.Add(time.Hour)
				form.p.session(&s)
			}
		})
	}
}
