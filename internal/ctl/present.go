// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"time"

	"utmpd.dev/utmpd/internal/heartbeat"
)

// present is what tells this boot from those before it. The kernel's id alone does
// not: containers have that of their host, and a kernel without randomness at its
// start may give one id twice.
type present struct {
	id   string
	init time.Duration // start of process 1, by the kernel's clock
	now  time.Time
	up   time.Duration // since the kernel started
}

// idOf returns the id of the boot that left a note. That of an earlier boot with
// the same id is made another.
func (p present) idOf(n heartbeat.Note) string {
	if n.BootID == p.id && !p.left(n) {
		return "before " + n.BootID
	}
	return n.BootID
}

// left reports whether a note with this boot's id was left in this boot.
func (p present) left(n heartbeat.Note) bool {
	const slack = 2 * time.Second
	switch {
	case n.Up > p.up+slack && p.up > 0:
		return false // the kernel had counted further than now
	case n.Up > 0:
		return heartbeat.SameStart(n.Init, p.init)
	}
	// An earlier version left it. In a container, it is older than process 1.
	return p.init < inContainer || !n.Time.Before(p.now.Add(p.init-p.up-slack))
}

// inContainer is the least time from the start of the kernel to that of process 1
// which shows a container.
const inContainer = 10 * time.Second

// followed reports whether a note is from the boot of a stamp, both from an earlier
// boot with this one's id, though only the note shows that.
func (p present) followed(stamp, note heartbeat.Note) bool {
	if stamp.BootID != p.id || note.BootID != p.id || p.left(note) || !p.left(stamp) {
		return false
	}
	if !heartbeat.SameStart(stamp.Init, note.Init) {
		return false // the note is of a container's start before; both have the host's count
	}
	booted := note.Time.Add(-note.Up)
	for _, s := range note.Steps {
		booted = booted.Add(-s.By)
	}
	ours := p.now.Add(-p.up)
	return stamp.Time.Sub(booted).Abs() < stamp.Time.Sub(ours).Abs()
}

// slept returns how long this boot was suspended. In a container the kernel also counts
// what was before its start, which the stamp knows.
func (r *recorder) slept() (d time.Duration, known bool) {
	up, slept := r.in.on.up()
	init := r.in.on.initStart()
	if up <= 0 || init < inContainer {
		return slept, up > 0
	}
	stamp, ours := r.stamp()
	if !ours || stamp.Up == 0 {
		return 0, false
	}
	return max(0, slept-stamp.Slept), true
}

// stamp returns the stamp. ours is false if it is not of this boot; if nothing shows whose it
// is, or there is none, it is the zero Note.
func (r *recorder) stamp() (stamp heartbeat.Note, ours bool) {
	id, err := r.in.on.bootID()
	stamp, ok := r.note(stampFile)
	if err != nil || !ok {
		return heartbeat.Note{}, false
	}
	p := present{id: id, init: r.in.on.initStart(), now: r.in.on.now()}
	p.up, _ = r.in.on.up()
	return stamp, p.idOf(stamp) == id
}
