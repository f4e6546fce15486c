// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

var layout = utmpx.Glibc384LE

const start = 1_790_000_000

func boot(sec int64) utmpx.Record {
	return utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.1", Time: utmpx.Time{Sec: start + sec}}
}

func shutdown(sec int64) utmpx.Record {
	return utmpx.Record{Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown", Host: "6.1", Time: utmpx.Time{Sec: start + sec}}
}

func in(line string, pid int32, sec int64) utmpx.Record {
	return utmpx.Record{Type: utmpx.UserProcess, PID: pid, Line: line, ID: line[max(0, len(line)-4):], User: "alice", Host: "desk", Time: utmpx.Time{Sec: start + sec}}
}

func out(line string, pid int32, sec int64) utmpx.Record {
	return utmpx.Record{Type: utmpx.DeadProcess, PID: pid, Line: line, ID: line[max(0, len(line)-4):], Time: utmpx.Time{Sec: start + sec}}
}

func encode(t testing.TB, l *utmpx.Layout, recs ...utmpx.Record) []byte {
	t.Helper()
	var b []byte
	for _, r := range recs {
		var err error
		if b, err = l.AppendEncode(b, r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// checked returns the findings in the bytes of a log, as utmpctl has them.
func checked(t testing.TB, b []byte, o Options) (all []Finding) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "wtmp")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := logs.New(name, logs.Options{Layout: layout}).Open(context.Background(), name)
	if err != nil {
		t.Skip(err) // no records at all
	}
	defer f.Close()
	if o.Layout == nil {
		o.Layout = f.Layout()
	}
	l := NewLog(o, func(x Finding) { all = append(all, x) })
	end := int64(0)
	for u, err := range f.Reuse().Raw(0) {
		var d *logs.DamageError
		if errors.As(err, &d) {
			l.Damage(Part{From: d.From, To: d.To, Size: int64(len(b)), Bytes: bytes.NewReader(b)})
			end = d.To
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		l.Record(u.Layout, u.Bytes, u.Offset)
		end = u.Offset + int64(len(u.Bytes))
	}
	if end < int64(len(b)) {
		l.Partial(end, int64(len(b)))
	}
	l.End()
	return all
}

// brief is what tests compare of a finding.
type brief struct {
	Kind     Kind
	Severity Severity
	From, To int64
}

func briefs(all []Finding) (out []brief) {
	for _, f := range all {
		out = append(out, brief{f.Kind, f.Severity, f.From, f.To})
	}
	return out
}

func fixed(sec int64) time.Time { return time.Unix(start+sec, 0) }
