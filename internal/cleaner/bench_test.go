// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
)

// BenchmarkBatch: a batch is cleaned in real files, and then stands there again.
func BenchmarkBatch(b *testing.B) {
	dir := b.TempDir()
	utmp, wtmp := filepath.Join(dir, "utmp"), filepath.Join(dir, "wtmp")
	var data []byte
	for i := range batch {
		p, err := layout.Encode(login(fmt.Sprint("pts/", i), "alice", int32(i+1), start))
		if err != nil {
			b.Fatal(err)
		}
		data = append(data, p...)
	}
	for _, name := range []string{utmp, wtmp} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	opts := recfile.Options{Layout: layout}
	file := recfile.NewFile(utmp, opts)
	snap, err := file.Snapshot(nil)
	if err != nil {
		b.Fatal(err)
	}
	var jobs []session.Job
	for slot, r := range snap.All() {
		jobs = append(jobs, session.Job{Generation: snap.Generation(), Slot: slot, Record: r, End: end, Status: session.Status{Known: true, Wait: 9}})
	}
	again, err := os.OpenFile(utmp, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer again.Close()
	b.ReportAllocs()
	for b.Loop() {
		c := New(Options{File: file, Log: openlogins.New(wtmp, opts), Logger: slog.New(slog.DiscardHandler)})
		for _, r := range c.clean(b.Context(), jobs) {
			if r.Outcome != session.Done {
				b.Fatalf("%+v", r)
			}
		}
		for name, f := range map[string]func() error{
			utmp: func() error { _, err := again.WriteAt(data, 0); return err },
			wtmp: func() error { return os.Truncate(wtmp, int64(len(data))) },
		} {
			if err := f(); err != nil {
				b.Fatal(name, err)
			}
		}
	}
}
