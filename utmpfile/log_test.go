// SPDX-License-Identifier: BSD-2-Clause

package utmpfile_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// history is a log of three files, the oldest compressed. The user of a record is its
// number.
func history(t testing.TB) *utmpfile.Log {
	t.Helper()
	name := filepath.Join(t.TempDir(), "wtmp")
	part := func(name string, first, last int64) {
		var records []utmpx.Record
		for n := first; n <= last; n++ {
			records = append(records, session("pts/0", fmt.Sprint(n), n))
		}
		write(t, name, utmpx.Native(), records...)
		changed(t, name, last)
	}
	part(name+".2", 1, 3)
	compress(t, name+".2")
	part(name+".1", 4, 5)
	part(name, 6, 7)
	return utmpfile.NewLog(name, nil)
}

// changed sets when a file was changed last.
func changed(t testing.TB, name string, after int64) {
	t.Helper()
	if err := os.Chtimes(name, at(after), at(after)); err != nil {
		t.Fatal(err)
	}
}

// compress does what gzip(1) does.
func compress(t testing.TB, name string) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, werr := w.Write(data)
	err = errors.Join(err, werr, w.Close(), os.WriteFile(name+".gz", out.Bytes(), 0o644),
		os.Chtimes(name+".gz", info.ModTime(), info.ModTime()), os.Remove(name))
	if err != nil {
		t.Fatal(err)
	}
}

// users returns the users of the records, and the errors in their places.
func users(t testing.TB, read iter.Seq2[utmpfile.Entry, error]) (got []string) {
	t.Helper()
	for e, err := range read {
		var gap *utmpfile.GapError
		switch {
		case errors.As(err, &gap):
			got = append(got, fmt.Sprintf("gap %d-%d", gap.After.Unix()-start, gap.Before.Unix()-start))
		case errors.Is(err, fs.ErrNotExist):
			got = append(got, "missing")
		case errors.Is(err, utmpfile.ErrCompression):
			got = append(got, "compression")
		case errors.Is(err, utmpfile.ErrLayout):
			got = append(got, "layout")
		case err != nil:
			t.Error(err)
		default:
			got = append(got, e.User)
		}
	}
	return got
}

// positionOf returns the position after a user's record, kept as JSON in between.
func positionOf(t testing.TB, l *utmpfile.Log, user string) (p utmpfile.Position) {
	t.Helper()
	for e, err := range l.Forward(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.User == user {
			e.User = "changed"
			text, err := json.Marshal(map[string]utmpfile.Position{"at": e.Position()})
			kept := map[string]utmpfile.Position{}
			if err = errors.Join(err, json.Unmarshal(text, &kept)); err != nil {
				t.Fatal(err)
			}
			if p = kept["at"]; p != e.Position() || p.IsZero() || !p.Time().Equal(e.Time.Time()) {
				t.Fatalf("%v comes back as %v", e.Position(), p)
			}
			return p
		}
	}
	t.Fatalf("no record of %s", user)
	return p
}

func TestLogReading(t *testing.T) {
	all := []string{"1", "2", "3", "4", "5", "6", "7"}
	tests := []struct {
		name string
		read func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error]
		want []string
	}{
		{"forward", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] { return l.Forward(t.Context()) }, all},
		{"backward", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] { return l.Backward(t.Context()) },
			[]string{"7", "6", "5", "4", "3", "2", "1"}},
		{"since a time in the compressed file", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			return l.Since(t.Context(), at(3))
		}, all[2:]},
		{"since the future", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			return l.Since(t.Context(), at(9))
		}, nil},
		{"from the beginning", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			return l.From(t.Context(), utmpfile.Position{})
		}, all},
		{"from the compressed file", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			return l.From(t.Context(), positionOf(t, l, "2"))
		}, all[2:]},
		{"from the end", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			end, err := l.End(t.Context())
			if err != nil || end != positionOf(t, l, "7") {
				t.Errorf("End: %v, %v", end, err)
			}
			return l.From(t.Context(), end)
		}, nil},
		{"from where the log was rotated since", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			p := positionOf(t, l, "6")
			rotate(t, l)
			return l.From(t.Context(), p)
		}, []string{"7", "8"}},
		{"from where the log was copied and truncated since", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			p := positionOf(t, l, "6")
			truncate(t, l)
			return l.From(t.Context(), p)
		}, []string{"7", "8", "9"}},
		{"from a record that is gone", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			p := positionOf(t, l, "5")
			if err := os.Remove(l.Name() + ".1"); err != nil {
				t.Fatal(err)
			}
			return l.From(t.Context(), p)
		}, []string{"gap 5-6", "6", "7"}},
		{"a missing log", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			if err := os.Remove(l.Name()); err != nil {
				t.Fatal(err)
			}
			return l.Forward(t.Context())
		}, []string{"1", "2", "3", "4", "5", "missing"}},
		{"files that cannot be read", func(t *testing.T, l *utmpfile.Log) iter.Seq2[utmpfile.Entry, error] {
			err := errors.Join(os.WriteFile(l.Name()+".3.Z", []byte("\x1f\x9d\x90compressed"), 0o644),
				os.WriteFile(l.Name()+".1", bytes.Repeat([]byte("no record at all\n"), 1000), 0o644))
			if err != nil {
				t.Fatal(err)
			}
			changed(t, l.Name()+".3.Z", 0)
			changed(t, l.Name()+".1", 5)
			return l.Forward(t.Context())
		}, []string{"compression", "1", "2", "3", "layout", "6", "7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, users(t, tt.read(t, history(t)))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// rotate renames the log as logrotate does, and begins another with record 8.
func rotate(t *testing.T, l *utmpfile.Log) {
	t.Helper()
	name := l.Name()
	if err := errors.Join(os.Rename(name+".1", name+".2"), os.Rename(name, name+".1")); err != nil {
		t.Fatal(err)
	}
	write(t, name, utmpx.Native(), session("pts/0", "8", 8))
}

// truncate copies the log and truncates it, as logrotate's copytruncate does. Then it
// grows beyond its size before.
func truncate(t *testing.T, l *utmpfile.Log) {
	t.Helper()
	name := l.Name()
	data, err := os.ReadFile(name)
	err = errors.Join(err, os.Rename(name+".1", name+".3"), os.WriteFile(name+".1", data, 0o644), os.Truncate(name, 0))
	if err != nil {
		t.Fatal(err)
	}
	changed(t, name+".1", 7)
	for _, n := range []int64{8, 9} {
		if err := l.Append(t.Context(), session("pts/0", fmt.Sprint(n), n)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollow waits for records that are appended, also after a rotation.
func TestFollow(t *testing.T) {
	l := history(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	for e, err := range l.Follow(ctx, positionOf(t, l, "5")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.User)
		switch e.User {
		case "7":
			rotate(t, l)
		case "8":
			if err := l.Append(ctx, session("pts/0", "9", 9)); err != nil {
				t.Fatal(err)
			}
		case "9":
			cancel()
		}
	}
	if d := cmp.Diff([]string{"6", "7", "8", "9"}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestPositionLater: of an entry that is kept, with its record changed, the position is as it
// was within the loop, also where the file was written to meanwhile.
func TestPositionLater(t *testing.T) {
	var all []utmpx.Record
	for i := range 1500 { // three blocks
		all = append(all, session(fmt.Sprint("pts/", i), fmt.Sprint("u", i), int64(i)))
	}
	for _, layout := range []*utmpx.Layout{utmpx.Native(), utmpx.Illumos372BE} {
		name := write(t, filepath.Join(t.TempDir(), "wtmp"), layout, all...)
		l := utmpfile.NewLog(name, nil)
		for way, read := range map[string]iter.Seq2[utmpfile.Entry, error]{
			"forward": l.Forward(t.Context()), "backward": l.Backward(t.Context()), "since": l.Since(t.Context(), at(700)),
		} {
			var kept []utmpfile.Entry
			var want []utmpfile.Position
			for e, err := range read {
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, e.Position())
				e.Record = utmpx.Record{}
				kept = append(kept, e)
			}
			if len(kept) < 800 {
				t.Errorf("%s, %s: %d records", layout, way, len(kept))
			}
			for i, e := range kept {
				if e.Position() != want[i] {
					t.Fatalf("%s, %s: record %d: %v, within the loop %v", layout, way, i, e.Position(), want[i])
				}
			}
		}
	}
}

func TestPositionText(t *testing.T) {
	var p utmpfile.Position
	if err := p.UnmarshalText([]byte("somewhere")); err == nil {
		t.Error("read from nonsense")
	}
	text, err := p.MarshalText()
	if err = errors.Join(err, p.UnmarshalText(text)); err != nil || !p.IsZero() || !p.Time().IsZero() || string(text) != p.String() {
		t.Errorf("the zero Position: %q, %v, %v", text, p, err)
	}
	if !(utmpfile.Entry{}).Position().IsZero() {
		t.Error("an entry that was not read has a position")
	}
}
