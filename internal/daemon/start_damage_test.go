// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/cleaner"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

func encoded(t *testing.T, l *utmpx.Layout) []byte {
	t.Helper()
	r, err := l.Encode(utmpx.Record{Type: utmpx.UserProcess, PID: 4711, Line: "pts/1", User: "alice", Time: utmpx.Time{Sec: 1_780_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestStartTellsOfDamage: what is wrong with the wtmpx file is said at the start, and how
// much of it was looked at.
func TestStartTellsOfDamage(t *testing.T) {
	l, other := utmpx.Native(), utmpx.Glibc400BE
	r := encoded(t, l)
	size := len(r)
	whole := func(n int) []byte { return bytes.Repeat(r, n) }
	const damaged = `msg="the wtmpx file is damaged; what is around the damage is read, nothing needs to be done" error="utmpfile: read /wtmp: bytes %d to %d are damaged: at most one record is lost" "more places"=%d "looked from byte"=%d`
	const refused = `msg="the wtmpx file takes no records: no logouts are written" error="utmpfile: append to /wtmp: %s`
	tests := []struct {
		name string
		log  []byte
		err  error
		want string // how the lines begin
	}{
		{"whole", whole(2), nil, ""},
		{"empty", nil, nil, ""},
		{"torn", slices.Concat(whole(2), r[:100], whole(2)), nil, fmt.Sprintf(damaged, 2*size, 2*size+100, 0, 0)},
		{
			"three places", slices.Concat(whole(2), r[:100], whole(3), r[:90], whole(4), r[:80], whole(2)), nil,
			fmt.Sprintf(damaged, 9*size+190, 9*size+270, 2, 0),
		},
		{
			"far from the end", slices.Concat(whole(2), r[:100], whole(damageWithin)), nil, "",
		},
		{
			"one place of two within reach", slices.Concat(whole(2), r[:100], whole(damageWithin), r[:90], whole(2)), nil,
			fmt.Sprintf(damaged, (damageWithin+2)*size+100, (damageWithin+2)*size+190, 0, 4*size+100),
		},
		{"no records", []byte(strings.Repeat("no record\n", 99)), nil, fmt.Sprintf(refused, "not session records in any known layout")},
		{"another system's", slices.Concat(whole(4), bytes.Repeat(encoded(t, other), 8)), nil, fmt.Sprintf(refused, "records of another system")},
		{"an error of the disk", whole(2), syscall.EIO, `msg="the wtmpx file cannot be read" error="utmpfile: read /wtmp: input/output error`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			files := simfile.New()
			files.WriteFile("/wtmp", tt.log)
			files.Inject(func(op simfile.Op) *simfile.Fault {
				if tt.err == nil || op.Call != simfile.Read {
					return nil
				}
				return &simfile.Fault{Err: tt.err}
			})
			log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: untimed}))
			d := &daemon{log: logger{Logger: log}, wtmpx: recfile.NewLog("/wtmp", recfile.Options{System: files})}
			d.cleaner = cleaner.New(cleaner.Options{Logger: log})
			d.on.files, d.cfg.WtmpxFile = files, "/wtmp"
			d.logDamage()
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if got := strings.TrimPrefix(lines[0], "level=WARN "); len(lines) != 1 || !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("%q, want %q", out.String(), tt.want)
			}
		})
	}
}

// TestStartWaitsForNoDamage: a log that takes long to read, for it is large and damaged or its
// disk is slow, holds up neither the start nor the end.
func TestStartWaitsForNoDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ended := range []bool{false, true} {
			var log lockedBuffer
			files := simfile.New()
			r := encoded(t, utmpx.Native())
			files.WriteFile("/wtmp", slices.Concat(r, r[:100], r))
			read := make(chan struct{})
			files.Inject(func(op simfile.Op) *simfile.Fault {
				if op.Call == simfile.Read {
					<-read
				}
				return nil
			})
			d := newDaemon(flags{}, config.Config{
				Reloadable: config.Reloadable{ScanPeriod: time.Hour, MaxFDs: 10, WtmpxUpdateFreq: time.Minute},
				Fixed:      config.Fixed{UtmpxFile: "/utmp", WtmpxFile: "/wtmp", RunDir: t.TempDir()},
			}, logger{slog.New(slog.NewTextHandler(&log, nil)), io.NopCloser(nil)}, func() {}, quiet(files))
			d.build()
			d.logStart() // in a bubble, where a wait for the reader would be for ever
			if ended {
				close(d.done)
			}
			close(read)
			synctest.Wait()
			if told := strings.Contains(log.String(), "damaged"); told == ended {
				t.Errorf("ended: %v, damage told: %v:\n%s", ended, told, log.String())
			}
			d.reading.toggles.Close()
		}
	})
}
