// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

var layout = utmpx.Native()

const start = 1_790_000_000

// options are for tests, in which nobody else writes.
var options = Options{Now: time.Unix(start, 0), Patience: 10 * time.Second, Late: 10 * time.Second}

func login(n int) utmpx.Record {
	return utmpx.Record{Type: utmpx.UserProcess, PID: int32(1000 + n), Line: "pts/" + string(rune('0'+n%10)), ID: string(rune('a' + n%26)), User: "alice", Host: "desk", Time: utmpx.Time{Sec: start + int64(n)}}
}

func encode(t testing.TB, l *utmpx.Layout, from, to int) []byte {
	t.Helper()
	var b []byte
	for n := from; n < to; n++ {
		var err error
		if b, err = l.AppendEncode(b, login(n)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func write(t testing.TB, base string, b []byte) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), base)
	if err := os.WriteFile(name, b, 0o640); err != nil {
		t.Fatal(err)
	}
	return name
}

func content(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names returns what is in the directory of a file, but for the file.
func names(t testing.TB, name string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(name) {
			all = append(all, e.Name())
		}
	}
	return all
}

// recordsOf returns the records of a file as package logs reads them, in a layout.
func recordsOf(t testing.TB, name string, l *utmpx.Layout) (all []string, damaged bool, err error) {
	t.Helper()
	f, err := logs.New(name, logs.Options{}).Open(context.Background(), name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	for e, err := range f.Forward(0) {
		if logs.IsDamage(err) {
			damaged = true
			continue
		}
		if err != nil {
			return nil, damaged, err
		}
		if grid.Alike(e.Layout(), l) {
			all = append(all, e.Raw())
			continue
		}
		if b, err := l.Encode(e.Record); err == nil {
			all = append(all, string(b))
		} else if !errors.Is(err, utmpx.ErrRange) {
			t.Fatal(err)
		}
	}
	return all, damaged, nil
}

func backups(t testing.TB, name string) (all []string) {
	for _, n := range names(t, name) {
		if strings.Contains(n, ".damaged-") {
			all = append(all, filepath.Join(filepath.Dir(name), n))
		} else {
			t.Errorf("%s was left behind", n)
		}
	}
	return all
}
