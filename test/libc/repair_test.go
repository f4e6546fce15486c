// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/repair"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestRepairTogether damages a log and repairs it again and again while libc's updwtmpx
// and this code append to it. No record is lost, none comes twice, and none is torn.
func TestRepairTogether(t *testing.T) {
	each(t, func(t *testing.T, m machine) {
		file := create(t, encode(t, m.layout, boot))
		each, rounds := 1500, 0
		if m.slow {
			each = 200
		}
		ctx, done := context.WithCancel(t.Context())
		var mending sync.WaitGroup
		repairs, late := atomic.Int64{}, int64(0)
		mending.Go(func() {
			for ctx.Err() == nil {
				if err := spoil(ctx, file, m.layout); err != nil {
					t.Error(err)
					return
				}
				r, err := repair.Log(t.Context(), file, repair.Options{Now: time.Now(), Patience: time.Minute, Late: time.Minute})
				if err != nil || r.Right() || r.Writers {
					t.Errorf("%+v, %v", r, err)
					return
				}
				repairs.Add(1)
				late += r.Late + r.Finished
			}
		})
		record := func(writer, n int) utmpx.Record {
			return utmpx.Record{Type: utmpx.UserProcess, PID: int32(writer + 1), Line: fmt.Sprint("w/", writer), ID: "w", User: "alice", Session: int64(n), Time: utmpx.Time{Sec: start + int64(n)}}
		}
		for ; rounds < 100 && repairs.Load() < 10 && !t.Failed(); rounds++ {
			appendAll(t, m, file, rounds*each, each, record)
		}
		done()
		mending.Wait()
		checkEach(t, file, m.layout, rounds*each)
		if n := repairs.Load(); n < 10 {
			t.Errorf("only %d repairs", n)
		}
		left, err := filepath.Glob(file + ".unfinished*")
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		t.Logf("%d repairs, %d records came to a file that was replaced", repairs.Load(), late)
	})
}

// appendAll has all writers append some records, and waits for them.
func appendAll(t *testing.T, m machine, file string, from, each int, record func(writer, n int) utmpx.Record) {
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			var b []byte
			for n := from; n < from+each; n++ {
				raw, err := m.layout.Encode(record(w, n))
				if err != nil {
					t.Error(err)
					return
				}
				b = append(b, raw...)
			}
			p, err := m.command("log", file)
			if err == nil {
				_, err = p.in.Write(b)
				err = errors.Join(err, p.in.Close(), p.wait())
			}
			if err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			log := recfile.NewLog(file, recfile.Options{Layout: m.layout})
			for n := from; n < from+each; n++ {
				if err := log.Append(t.Context(), record(writers+w, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// spoil appends a record that is none, under the lock.
func spoil(ctx context.Context, file string, layout *utmpx.Layout) error {
	h, _, err := recfile.Hold(context.WithoutCancel(ctx), sysfile.Kernel(), file, sysfile.AppendOnly)
	if err != nil {
		return err
	}
	defer h.Close()
	_, err = h.Append(bytes.Repeat([]byte{0xee}, layout.Size()))
	return err
}

// checkEach fails unless each writer's records are in the file once.
func checkEach(t *testing.T, file string, layout *utmpx.Layout, each int) {
	t.Helper()
	f, err := logs.New(file, logs.Options{Layout: layout}).Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	times := map[[2]int]int{}
	for e, err := range f.Forward(0) {
		if err != nil {
			t.Errorf("damage is left: %v", err)
			continue
		}
		if e.Type == utmpx.UserProcess {
			times[[2]int{int(e.PID) - 1, int(e.Session)}]++
		}
	}
	for w := range 2 * writers {
		for n := range each {
			if k := times[[2]int{w, n}]; k != 1 {
				t.Errorf("record %d of writer %d is there %d times", n, w, k)
			}
		}
	}
	if info, err := os.Stat(file); err != nil || len(times) != 2*writers*each {
		t.Errorf("%d records of writers in %v, %v", len(times), info.Size(), err)
	}
}
