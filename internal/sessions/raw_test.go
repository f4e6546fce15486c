// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"utmpd.dev/utmpd/utmpx"
)

// TestRaw: bytes show the same sessions as the records decoded from them, of random logs
// with damage, in every layout; and what Only leaves out was off.
func TestRaw(t *testing.T) {
	random := rand.New(rand.NewPCG(1, uint64(time.Now().Unix())))
	alive := func(r *utmpx.Record) bool { return r.PID == 1 }
	left := 0
	n := 4000
	if testing.Short() {
		n = 1000
	}
	for range n {
		var all []*utmpx.Record
		l := utmpx.Layouts()[random.IntN(len(utmpx.Layouts()))]
		for range random.IntN(60) {
			r := fuzzed(random.Uint32())
			if r != nil {
				d := decodedIn(t, l, *r)
				r = &d
			}
			all = append(all, r)
		}
		since := time.Unix(1_700_000_000+random.Int64N(256), 0)
		until := since.Add(time.Duration(random.Int64N(60)) * time.Second)
		plain, ob := backward(all, alive)
		raw, rb := backwardRaw(all, alive, time.Time{}, time.Time{})
		compare(t, plain, raw)
		compare(t, ob.Rest(), rb.Rest())
		only, _ := backwardRaw(all, alive, since, until)
		left += len(raw) - len(only)
		off := func(s Session) bool { return s.Within(since, until) == Off }
		compare(t, slices.DeleteFunc(plain, off), slices.DeleteFunc(only, off))
	}
	if left == 0 {
		t.Error("nothing was left out")
	}
}

func decodedIn(t *testing.T, l *utmpx.Layout, r utmpx.Record) utmpx.Record {
	b, err := l.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return l.Decode(string(b))
}

func backwardRaw(all []*utmpx.Record, alive func(*utmpx.Record) bool, since, until time.Time) (found []Session, b *Backward) {
	b = NewBackward(alive)
	b.Only(since, until)
	block := make([]byte, utmpx.MaxSize)
	for _, r := range slices.Backward(all) {
		if r == nil {
			b.Damage()
			continue
		}
		block = append(block[:0], r.Raw()...)
		if s := b.AddRaw(r.Layout(), block); s != nil {
			kept := *s
			kept.Login = s.Login.Detach()
			found = append(found, kept)
		}
		for i := range block {
			block[i] = 'x' // nothing of it may be in use
		}
	}
	return found, b
}

func compare(t *testing.T, want, got []Session) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // as always, and cmp takes its time
	}
	if d := gocmp.Diff(want, got, cmpopts.EquateEmpty(), gocmp.Comparer(func(a, b utmpx.Record) bool { return a == b })); d != "" {
		t.Fatalf("(-decoded +bytes)\n%s", d)
	}
}

// TestForget: of more lines than are kept, those without an end are not taken for sessions
// that went on; those with one have it.
func TestForget(t *testing.T) {
	const lines = mostLines + 1000
	b := NewBackward(nil)
	add := func(typ utmpx.Type, line int, user string) *Session {
		r := decodedIn(t, utmpx.Native(), utmpx.Record{Type: typ, PID: 5, Line: fmt.Sprint("ftp", line), ID: "f", User: user,
			Time: utmpx.Time{Sec: 1_700_000_000 - int64(line)}})
		return b.AddRaw(utmpx.Native(), []byte(r.Raw()))
	}
	for line := range lines {
		add(utmpx.DeadProcess, line, "")
		if s := add(utmpx.UserProcess, line, "ann"); s == nil || s.End != Logout {
			t.Fatalf("line %d: %v", line, s)
		}
		if len(b.lines) > mostLines {
			t.Fatalf("it keeps %d lines", len(b.lines))
		}
	}
	if s := add(utmpx.UserProcess, 0, "bob"); s == nil || s.End != Unknown {
		t.Errorf("a login whose end may have been forgotten: %v", s)
	}
	if s := add(utmpx.UserProcess, lines-1, "bob"); s == nil || s.End != Replaced {
		t.Errorf("a login whose end is kept: %v", s)
	}
	for line := range lines {
		if add(utmpx.DeadProcess, line, ""); len(b.lines) > mostLines {
			t.Fatalf("it keeps %d lines", len(b.lines))
		}
	}
	r := utmpx.Record{Type: utmpx.DeadProcess, ID: "f"}
	for r.PID = range int32(lines) {
		if b.Add(&r); len(b.dead) > mostLines {
			t.Fatalf("it keeps %d processes", len(b.dead))
		}
	}
}
