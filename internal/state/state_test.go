// SPDX-License-Identifier: BSD-2-Clause

package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

var update = flag.Bool("update", false, "write the golden files")

var at = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// debt is a logout that waits, in a layout.
func debt(l *utmpx.Layout, status session.Status) session.Debt {
	b, err := l.Encode(utmpx.Record{
		Type: utmpx.UserProcess, PID: 4711, Line: "pts/3", ID: "ts/3", User: "alice", Host: "desk.example.org", Time: utmpx.TimeOf(at),
	})
	if err != nil {
		panic(err)
	}
	return session.Debt{Login: l.Decode(string(b)), End: at.Add(time.Minute), Status: status}
}

// waiting is a logout that waits for a process.
func waiting() session.Debt {
	d := debt(utmpx.Glibc384LE, session.Status{Known: true, Wait: 9})
	d.After = at.Add(time.Second)
	d.Of = session.Login{Line: "tty\n1", PID: 4710, Time: utmpx.Time{Sec: at.Unix() - 1, Usec: 999_000}}
	return d
}

// unmarked is a logout of a session that still lives, without its record.
func unmarked() session.Debt {
	d := debt(utmpx.Glibc384LE, session.Status{})
	d.End, d.By = time.Time{}, session.ID{PID: 4711, Start: 8150, Inode: 77}
	return d
}

// alone is a logout of a session whose login stands in the log alone.
func alone(since time.Time) session.Debt {
	d := unmarked()
	d.Alone, d.Since = true, since
	return d
}

// example has each field and each kind of line.
func example() State {
	id := session.ID{PID: 4711, Start: 8150, Inode: 77}
	return State{
		BootID: "0c6e4aa2-5d5c-4c0e-9d7e-4d6d9f0e6f5a",
		File:   snapshot.Generation{Dev: 24, Ino: 1 << 63},
		Checkpoint: session.Checkpoint{
			Alive: at.Add(time.Hour),
			Sessions: []session.Entry{
				{Slot: 3, Sum: [16]byte{1, 2, 15: 0xff}, ID: id, Since: at},
				{Slot: 4, Sum: [16]byte{9}, ID: id, Led: true, Since: at, End: at.Add(time.Minute), Exact: true,
					Status: session.Status{Known: true, Wait: 9}},
				{Slot: 8, Sum: [16]byte{6}, ID: id, Led: true, Logind: true, Since: at},
				{Slot: 6, Sum: [16]byte{5}, ID: id, Led: true, Held: true, Since: at, End: at.Add(time.Minute)},
				{Slot: 5, Sum: [16]byte{8}, ID: session.ID{PID: 4711, Start: 8151, Inode: 77}, Since: at},
				{Slot: 9, Sum: [16]byte{7}, ID: session.ID{PID: 1<<31 - 1}, Since: at.Add(1), End: at},
			},
			Owed: []session.Debt{
				debt(utmpx.Glibc384LE, session.Status{Known: true, Wait: 9}),
				debt(utmpx.Glibc400LE, session.Status{}),
				waiting(),
				unmarked(),
				alone(at),
				alone(time.Time{}),
			},
		},
	}
}

// diff compares two states. The layouts of records are compared by their address.
func diff(want, got State) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b utmpx.Record) bool { return a == b }))
}

// owing is a state that holds nothing but logouts that wait.
func owing(debts ...session.Debt) State { return State{Checkpoint: session.Checkpoint{Owed: debts}} }

// one is a state with a single session.
func one(s session.Entry) State {
	return State{Checkpoint: session.Checkpoint{Sessions: []session.Entry{s}}}
}

func TestGolden(t *testing.T) {
	got, err := example().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	mustBeGolden(t, "testdata/table", got)
}

// mustBeGolden compares what is written with a file.
func mustBeGolden(t *testing.T, golden string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestRoundTrip(t *testing.T) {
	tests := []struct {
		name string
		s    State
	}{
		{"zero", State{}},
		{"all", example()},
		{"a boot id of any bytes", State{BootID: "\x00\xff\"\n\u202e`"}},
		{"the edges of time", State{Checkpoint: session.Checkpoint{Alive: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)}}},
		{"the other edge", State{Checkpoint: session.Checkpoint{Alive: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)}}},
		{"two sessions of one process, seen at different times", State{Checkpoint: session.Checkpoint{Sessions: []session.Entry{
			{ID: session.ID{PID: 7}, Since: at}, {ID: session.ID{PID: 7}, Since: at.Add(1)},
		}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.s.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var got State
			if err := got.UnmarshalBinary(b); err != nil {
				t.Fatal(err)
			}
			if d := diff(tt.s, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestLocalTime(t *testing.T) {
	want := time.Now() // with a monotonic reading, and perhaps a zone
	b, err := State{Checkpoint: session.Checkpoint{Alive: want}}.AppendText([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	var got State
	if err := got.UnmarshalBinary(bytes.TrimPrefix(b, []byte("before"))); err != nil {
		t.Fatal(err)
	}
	if !got.Alive.Equal(want) || got.Alive.Location() != time.UTC {
		t.Errorf("got %v, want %v", got.Alive, want)
	}
}

func TestLimits(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	some := session.ID{PID: 1}
	tests := []struct {
		name string
		s    State
	}{
		{"pid 0", one(session.Entry{})},
		{"negative pid", one(session.Entry{ID: session.ID{PID: -1}})},
		{"negative slot", one(session.Entry{ID: some, Slot: -1})},
		{"year 10000", State{Checkpoint: session.Checkpoint{Alive: at(10000)}}},
		{"seen before year 0", one(session.Entry{ID: some, Since: at(-1)})},
		{"ended before year 0", one(session.Entry{ID: some, End: at(-1)})},
		{"long boot id", State{BootID: strings.Repeat("a", MaxString+1)}},
		{"many sessions", State{Checkpoint: session.Checkpoint{Sessions: make([]session.Entry, MaxSessions+1)}}},
		{"many owed", owing(make([]session.Debt, MaxOwed+1)...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.s.MarshalBinary(); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestHostileTimeIsLeftOut: a logout that waits has its login's time at least. One
// from a record with a time that no calendar has must not keep the rest from being
// saved.
func TestHostileTimeIsLeftOut(t *testing.T) {
	for _, sec := range []int64{1 << 40, -1 << 40, 1<<63 - 1, -1 << 63} {
		good := debt(utmpx.Glibc400LE, session.Status{})
		hostile := good
		hostile.End = utmpx.Time{Sec: sec}.Time()
		b, err := owing(hostile, good).MarshalBinary()
		if err != nil {
			t.Errorf("%d seconds: %v", sec, err)
			continue
		}
		var got State
		if err := got.UnmarshalBinary(b); err != nil {
			t.Errorf("%d seconds: %v", sec, err)
		}
		if d := diff(owing(good), got); d != "" {
			t.Errorf("%d seconds (-want +got)\n%s", sec, d)
		}
	}
}

// seal ends a body with its checksum, as a forger would.
func seal(body string) []byte {
	sum := sha256.Sum256([]byte(body))
	return []byte(body + "sha256 " + hex.EncodeToString(sum[:]) + "\n")
}

func TestCorrupt(t *testing.T) {
	const top = header + "boot \"b\"\nalive -\nfile 1 2\n"
	const proc = "proc 1 start 2 inode 3 since -\n"
	sum := strings.Repeat("0", 32)
	record := "record 0 sum " + sum + " pid ended - wait 0\n"
	if err := new(State).UnmarshalBinary(seal(top + proc + record)); err != nil {
		t.Fatalf("what the cases change is not good: %v", err)
	}
	tests := []struct {
		name string
		in   []byte
	}{
		{"empty", nil},
		{"header alone", []byte(header)},
		{"no lines", seal(header)},
		{"another version", seal(strings.Replace(top, "utmpd-table 1", "utmpd-table 2", 1))},
		{"no checksum", []byte(top)},
		{"bytes after the checksum", append(seal(top), '\n')},
		{"no file line", seal(header + "boot \"b\"\nalive -\n")},
		{"lines exchanged", seal(header + "alive -\nboot \"b\"\nfile 1 2\n")},
		{"empty line", seal(top + "\n")},
		{"no newline", seal(top + strings.TrimSuffix(proc, "\n"))},
		{"unknown line", seal(top + "user alice\n")},
		{"record of no process", seal(top + "record 0 sum " + sum + " pid ended - wait 0\n")},
		{"process after owed", seal(top + "owed - layout \"\" login x logout x\n" + proc)},
		{"blank after", seal(top + strings.Replace(proc, "-\n", "- \n", 1))},
		{"leading zero", seal(top + strings.Replace(proc, "proc 1", "proc 01", 1))},
		{"pid 0", seal(top + strings.Replace(proc, "proc 1", "proc 0", 1))},
		{"pid beyond 31 bits", seal(top + strings.Replace(proc, "proc 1", "proc 2147483648", 1))},
		{"short sum", seal(top + proc + "record 0 sum 00 pid ended - wait 0\n")},
		{"long sum", seal(top + proc + "record 0 sum " + sum + "00 pid ended - wait 0\n")},
		{"capital hex", seal(top + proc + "record 0 sum " + strings.Replace(sum, "0", "A", 1) + " pid ended - wait 0\n")},
		{"neither pid nor leader", seal(top + proc + "record 0 sum " + sum + " both ended - wait 0\n")},
		{"layout that is unknown", seal(top + "owed layout \"glibc\" login x ended - wait 0\n")},
		{"record of another size", seal(top + "owed layout \"glibc-384-le\" login x010203 ended - wait 0\n")},
		{"process of no record", seal(top + proc)},
		{"process written twice", seal(top + proc + record + proc + record)},
		{"time with a zone", seal(strings.Replace(top, "alive -", "alive 2026-01-02T03:04:05+01:00", 1))},
		{"time with needless zeros", seal(strings.Replace(top, "alive -", "alive 2026-01-02T03:04:05.500Z", 1))},
		{"raw string", seal(strings.Replace(top, `"b"`, "`b`", 1))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := State{BootID: "before"}
			if err := s.UnmarshalBinary(tt.in); !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
			if d := cmp.Diff(State{BootID: "before"}, s); d != "" {
				t.Errorf("changed all the same: %s", d)
			}
		})
	}
}

// TestCutOrChanged cuts a file at each byte and changes each byte of it.
func TestCutOrChanged(t *testing.T) {
	b, err := example().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		var s State
		if err := s.UnmarshalBinary(b[:i]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v", i, err)
		}
		for _, bit := range []byte{0x20, 1} { // nonsense; another digit
			c := bytes.Clone(b)
			c[i] ^= bit
			if err := s.UnmarshalBinary(c); !errors.Is(err, ErrCorrupt) {
				t.Errorf("changed at %d: %v", i, err)
			}
		}
	}
}

func TestSaveLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, want := range []State{example(), {BootID: "second"}} {
		if err := want.Save(path); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(want, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if names, _ := filepath.Glob(path + "?*"); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestSaveKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "table")
	if err := example().Save(path); err != nil {
		t.Fatal(err)
	}
	if err := one(session.Entry{}).Save(path); err == nil {
		t.Error("saved a state beyond the limits")
	}
	if err := (State{}).Save(filepath.Join(dir, "missing", "table")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saved where it cannot: %v", err)
	}
	got, err := Load(path)
	if d := diff(example(), got); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
}

func TestLoadDistrusts(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := example().Save(good); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		make func(path string) error
	}{
		{"symbolic link", func(p string) error { return os.Symlink(good, p) }},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }},
		{"of the group", func(p string) error {
			return errors.Join(os.WriteFile(p, data, 0o600), os.Chmod(p, 0o620))
		}},
		{"of all", func(p string) error {
			return errors.Join(os.WriteFile(p, data, 0o600), os.Chmod(p, 0o602))
		}},
		{"too large", func(p string) error {
			return errors.Join(os.WriteFile(p, data, 0o600), os.Truncate(p, MaxSize+1))
		}},
		{"zeros", func(p string) error {
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, int64(len(data))))
		}},
	}
	if os.Geteuid() == 0 {
		tests = append(tests, tests[0])
		tests[len(tests)-1].name = "of another user"
		tests[len(tests)-1].make = func(p string) error {
			return errors.Join(os.WriteFile(p, data, 0o600), os.Chown(p, 1, -1))
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, tt.name)
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			s, err := Load(path)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want ErrCorrupt and the path", err)
			}
			if d := cmp.Diff(State{}, s); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// FuzzUnmarshal states: no bytes make it panic, and what parses marshals back
// to the same bytes. The checksum is put right first, else little would parse.
func FuzzUnmarshal(f *testing.F) {
	b, err := example().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:len(b)-sumLine])
	f.Add([]byte(header + "boot \"b\"\nalive -\nfile 1 2\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var s State
		s.UnmarshalBinary(body)
		in := seal(string(body))
		if s.UnmarshalBinary(in) != nil {
			return
		}
		out, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(in), string(out)); d != "" {
			t.Errorf("(-in +out)\n%s", d)
		}
	})
}

func many(n int) State {
	s := State{BootID: "b", Checkpoint: session.Checkpoint{Alive: at}}
	for i := range n {
		id := session.ID{PID: int32(i + 1), Start: uint64(i) * 7, Inode: uint64(i)}
		s.Sessions = append(s.Sessions, session.Entry{Slot: i, ID: id, Since: at})
	}
	return s
}

func BenchmarkAppendText(b *testing.B) {
	s, buf := many(10_000), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = s.AppendText(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkUnmarshal(b *testing.B) {
	data, err := many(10_000).MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var s State
		if err := s.UnmarshalBinary(data); err != nil {
			b.Fatal(err)
		}
	}
}
