// SPDX-License-Identifier: BSD-2-Clause

package table

import (
	"fmt"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

const benchSessions = 10_000

// benchTable is a table of many sessions, all of them watched, and their file.
func benchTable(b *testing.B) (*Table, *snapshot.Snapshot, Moment) {
	b.Helper()
	layout := utmpx.Glibc384LE
	data := make([]byte, 0, benchSessions*layout.Size())
	for i := range benchSessions {
		var err error
		data, err = layout.AppendEncode(data, utmpx.Record{
			Type: utmpx.UserProcess, PID: int32(i + 1), Line: fmt.Sprintf("pts/%d", i), ID: fmt.Sprintf("%x", i),
			User: "alice", Host: "desk.example.org", Time: utmpx.TimeOf(epoch),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	snap := snapshot.New(snapshot.Generation{Dev: 1, Ino: 1}, layout, nil, data)
	t, now := New(Settings{KeepBusyLines: true}), Moment{Mono: time.Second, Wall: epoch}
	for _, pid := range t.Handle(now, Scanned{Snapshot: snap}).Watch {
		t.Handle(now, Alive{PID: pid, Token: session.Token(pid), ID: session.ID{PID: pid, Start: 1, Inode: uint64(pid)}, Started: epoch, Boot: epoch})
	}
	if c := t.Counts(); c.Watched != benchSessions {
		b.Fatalf("%+v", c)
	}
	return t, snap, now
}

// BenchmarkScanned: a scan that found no change.
func BenchmarkScanned(b *testing.B) {
	t, snap, now := benchTable(b)
	b.ReportAllocs()
	for b.Loop() {
		t.Handle(now, Scanned{Snapshot: snap, Periodic: true})
	}
}

// BenchmarkDeath: a process dies, nobody leads its terminal, its record is cleaned;
// then the record is there again, with a process that lives.
func BenchmarkDeath(b *testing.B) {
	t, snap, now := benchTable(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		slot := i % benchSessions
		s := t.utmpx.at(slot)
		now.Mono += time.Millisecond
		asked := t.Handle(now, Exited{Token: s.proc.token, Status: session.Status{Known: true}}).Gather
		jobs := t.Handle(now, Gathered{Evidence: []session.Evidence{{Key: asked[0].Key}}}).Clean
		t.Handle(now, Cleaned{Results: []session.Result{{Job: jobs[0], Outcome: session.Done, Logout: session.Appended}}})
		now.Mono += time.Millisecond
		pid := t.Handle(now, Scanned{Snapshot: snap, Began: now.Mono}).Watch[0]
		t.Handle(now, Alive{PID: pid, Token: session.Token(benchSessions + i + 1), ID: session.ID{PID: pid, Start: 1, Inode: uint64(i)}})
	}
}

// BenchmarkState: what is saved.
func BenchmarkState(b *testing.B) {
	t, _, now := benchTable(b)
	b.ReportAllocs()
	for b.Loop() {
		if n := len(t.Checkpoint(now).Sessions); n != benchSessions {
			b.Fatal(n)
		}
	}
}
