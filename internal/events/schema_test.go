// SPDX-License-Identifier: BSD-2-Clause

package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"utmpd.dev/utmpd/internal/sessions"
	"utmpd.dev/utmpd/utmpx"
)

// schema compiles docs/events.schema.json.
func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	const name = "../../docs/events.schema.json"
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource("events.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid checks an event against the schema.
func valid(t testing.TB, s *jsonschema.Schema, line []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	if err := s.Validate(v); err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	if strings.ContainsFunc(string(line), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("not printable: %q", line)
	}
}

// TestSchema: every event of random logs has the form that docs/events.schema.json says,
// and every kind and ending of it occurs.
func TestSchema(t *testing.T) {
	s := schema(t)
	seen := map[string]int{}
	for seed := range uint64(80) {
		rng := rand.New(rand.NewPCG(seed, 4))
		stream := NewStream()
		emit := func(e Event) {
			seen[string(e.Kind)]++
			seen[string(e.EndedBy)]++
			valid(t, s, e.AppendJSON(nil, [...]Machine{{}, {"web1", "c0ffee", "b007"}, {"w\xff\x1b", "", "b007"}}[seed%3]))
		}
		for i, r := range random(rng, 60) {
			if rng.IntN(50) == 0 {
				emit(stream.Lost(at("08:00"), time.Time{}, "gap"))
			}
			if rng.IntN(10) == 0 {
				r.Exit = utmpx.Exit{Termination: int16(rng.IntN(20)), Exit: int16(rng.IntN(3))}
			}
			if rng.IntN(10) == 0 && r.Type == utmpx.DeadProcess {
				r.Host = "utmpd-90s"
			}
			if rng.IntN(3) == 0 {
				r.Addr = [16]byte{192, 0, 2, 7}
			}
			stream.Add(r, func() string { return fmt.Sprint(i) }, emit)
		}
	}
	for _, what := range []string{"login", "logout", "boot", "shutdown", "crash", "clock", "gap",
		"logout", "killed", "utmpd", "replaced", "shutdown", "crash", "unknown"} {
		if seen[what] == 0 {
			t.Errorf("%s did not occur", what)
		}
	}
}

// TestSchemaRefuses: the schema is no mere formality.
func TestSchemaRefuses(t *testing.T) {
	s := schema(t)
	whole := (&Event{ID: "1", Kind: Logout, Time: at("08:00"), Exact: true, EndedBy: sessions.Logout, Session: Session{Line: "pts/0"}}).AppendJSON(nil, Machine{})
	valid(t, s, whole)
	var fields map[string]any
	if err := json.Unmarshal(whole, &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		without := map[string]any{}
		for n, v := range fields {
			if n != name {
				without[n] = v
			}
		}
		if s.Validate(without) == nil {
			t.Errorf("it accepts a logout without %s", name)
		}
	}
	for _, line := range []string{
		`{"schema":1,"id":"1","event":"boot","time":"2026-07-01T08:00:00Z","machine":null,"kernel":null,"known_from":null,"more":1}`,
		`{"schema":1,"id":"1","event":"boot","time":"2026-07-01T08:00:00Z","machine":"web1","machine_id":null,"kernel":null,"known_from":null}`,
		`{"schema":1,"id":"1","event":"boot","time":"2026-07-01T08:00:00Z","machine":"web1","boot_id":"","kernel":null,"known_from":null}`,
		`{"schema":2,"id":"1","event":"boot","time":"2026-07-01T08:00:00Z","machine":null,"kernel":null,"known_from":null}`,
		`{"schema":1,"id":"1","event":"boot","time":"2026-07-01T08:00:00+02:00","machine":null,"kernel":null,"known_from":null}`,
		`{"schema":1,"id":"1","event":"reboot","time":"2026-07-01T08:00:00Z","machine":null,"kernel":null,"known_from":null}`,
	} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(v) == nil {
			t.Errorf("it accepts %s", line)
		}
	}
}

// FuzzSchema: the events of any bytes have the form that the schema says.
func FuzzSchema(f *testing.F) {
	s := schema(f)
	for _, l := range utmpx.Layouts() {
		b, err := l.Encode(userIn("pts/0", "alice", 7, "08:00"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(bytes.Repeat(b, 3))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, l := range utmpx.Layouts() {
			stream := NewStream()
			for i := 0; i+l.Size() <= len(b); i += l.Size() {
				stream.Add(l.Decode(string(b[i:i+l.Size()])), func() string { return fmt.Sprint(i) }, func(e Event) {
					valid(t, s, e.AppendJSON(nil, Machine{Name: "web1", ID: "c0ffee"}))
				})
			}
		}
	})
}
