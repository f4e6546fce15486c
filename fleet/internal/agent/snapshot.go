// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/utmpfile"
)

// snapshots sends which sessions are on: at once, and once a day. Who asks about the past
// begins with the one before, and need not have the login of each session.
func (a *Agent) snapshots(ctx context.Context) {
	p := present{a: a, file: utmpfile.NewFile(a.Utmp, nil)}
	for {
		err := a.snapshot(ctx, p.read())
		pause := wire.SnapshotEvery - time.Hour + rand.N(2*time.Hour)
		if err != nil {
			if ctx.Err() == nil {
				a.Log.Warn("the snapshot for who -at is not sent; it is tried again", "error", err)
			}
			pause = jitter(time.Minute)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (a *Agent) snapshot(ctx context.Context, all wire.Sessions) (err error) {
	all.Time = time.Now().UTC()
	m := nats.NewMsg(wire.PastSubject(a.token))
	if m.Data, err = all.Snapshot(); err != nil {
		return err
	}
	return a.store(ctx, m)
}
