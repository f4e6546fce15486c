// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"utmpd.dev/utmpd/internal/glance"
	"utmpd.dev/utmpd/utmpx"
)

// texts is memory for the texts of logins.
type texts []byte

// login makes a login that was not decoded a copy of another one, with its texts here.
func (t *texts) login(to, from *utmpx.Record) {
	to.Type, to.PID, to.Session, to.Time = from.Type, from.PID, from.Session, from.Time
	to.Exit, to.Addr = from.Exit, from.Addr
	to.Line, to.ID, to.User, to.Host = t.keep(from.Line), t.keep(from.ID), t.keep(from.User), t.keep(from.Host)
}

func (t *texts) keep(s string) string {
	n := len(*t)
	*t = append(*t, s...)
	return glance.Text((*t)[n:])
}
