// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// ledSince is how long after the login the leader of its line may have started: sshd records
// a login before there is a shell.
const ledSince = time.Minute

// leader returns the process by which the session of a record lives though its own has ended,
// as a shell does whose sshd was killed: it has led the line since the login. 0: there is none.
func (b *book) leader(r utmpx.Record) int32 {
	seen, err := b.in.on.activities([]string{r.Line})
	leader := seen[r.Line].Leader.ID
	if err != nil || leader.PID == 0 || leader.Start == 0 {
		return 0
	}
	up, _ := b.in.on.up()
	began := b.in.on.now().Add(leader.SinceBoot() - up)
	if began.Sub(r.Time.Time()) > ledSince {
		return 0
	}
	return leader.PID
}

// led returns the record of a user's session on the line that lives by its leader alone. The
// login of another user there is another session.
func (b *book) led(r utmpx.Record, snap *snapshot.Snapshot) (at utmpx.Record, leader int32) {
	for _, at := range snap.All() {
		if at.Type == utmpx.UserProcess && at.Line == r.Line && at.User == r.User && !b.in.on.alive(at.PID) {
			if leader := b.leader(at); leader != 0 {
				return at, leader
			}
		}
	}
	return utmpx.Record{}, 0
}
