// SPDX-License-Identifier: BSD-2-Clause

package recordjson

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

func encode(t testing.TB, l *utmpx.Layout, r utmpx.Record) []byte {
	t.Helper()
	b, err := l.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sample() utmpx.Record {
	r := utmpx.Record{Type: utmpx.UserProcess, PID: 4242, Line: "pts/3", ID: "ts/3", User: "alice", Host: "host.example",
		Session: 7, Time: utmpx.Time{Sec: 1_780_000_000, Usec: 123456}}
	r.SetIP(netip.MustParseAddr("192.0.2.7"))
	return r
}

func TestAppend(t *testing.T) {
	with := func(change func(*utmpx.Record)) []byte {
		r := sample()
		change(&r)
		return encode(t, utmpx.Glibc400LE, r)
	}
	behind := with(func(*utmpx.Record) {})
	behind[8+31] = 'x' // behind the line's NUL
	for _, c := range []struct {
		name   string
		record []byte
		want   string
	}{
		{"plain", with(func(*utmpx.Record) {}),
			`{"type":"USER_PROCESS","pid":4242,"line":"pts/3","id":"ts/3","user":"alice","host":"host.example","addr":"192.0.2.7","session":7,"exit_termination":0,"exit_status":0,"time":"2026-05-28T20:26:40.123456Z","layout":"glibc-400-le"}`},
		{"no time, no microseconds, unknown type", with(func(r *utmpx.Record) { r.Type, r.Time = -3, utmpx.Time{} }),
			`{"type":-3,"pid":4242,"line":"pts/3","id":"ts/3","user":"alice","host":"host.example","addr":"192.0.2.7","session":7,"exit_termination":0,"exit_status":0,"time":null,"layout":"glibc-400-le"}`},
		{"no date", with(func(r *utmpx.Record) { r.Time = utmpx.Time{Sec: 1 << 60, Usec: -1} }),
			`{"type":"USER_PROCESS","pid":4242,"line":"pts/3","id":"ts/3","user":"alice","host":"host.example","addr":"192.0.2.7","session":7,"exit_termination":0,"exit_status":0,"time":null,"time_sec":1152921504606846976,"time_usec":-1,"layout":"glibc-400-le"}`},
		{"control characters and other bytes", with(func(r *utmpx.Record) { r.User, r.Host = "\x1b[31m\x7f", "\u009b31m\xff<\u202eé" }),
			`{"type":"USER_PROCESS","pid":4242,"line":"pts/3","id":"ts/3","user":"\u001b[31m\u007f","host":"\u009b31m�<\u202eé","host_raw":"wpszMW3/POKArsOp","addr":"192.0.2.7","session":7,"exit_termination":0,"exit_status":0,"time":"2026-05-28T20:26:40.123456Z","layout":"glibc-400-le"}`},
		{"IPv6", with(func(r *utmpx.Record) { r.SetIP(netip.MustParseAddr("2001:db8::1")); r.Time.Usec = 0 }),
			`{"type":"USER_PROCESS","pid":4242,"line":"pts/3","id":"ts/3","user":"alice","host":"host.example","addr":"2001:db8::1","session":7,"exit_termination":0,"exit_status":0,"time":"2026-05-28T20:26:40Z","layout":"glibc-400-le"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Append(nil, utmpx.Glibc400LE.Decode(string(c.record)))
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	if got := string(Append(nil, utmpx.Glibc400LE.Decode(string(behind)))); !strings.Contains(got, `,"raw":"`) {
		t.Errorf("bytes behind a string's end are not kept: %s", got)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"no JSON", `[7]`, "not an object of JSON: json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
		{"torn", `{"type":"USER_PRO`, "not an object of JSON: unexpected end of JSON input"},
		{"null", `null`, "not an object of JSON: null"},
		{"two", `{"type":7}{"type":7}`, "not an object of JSON: invalid character '{' after top-level value"},
		{"no type", `{}`, "field type: missing"},
		{"unknown type", `{"type":"LOGIN"}`, `field type: "LOGIN" is neither a number nor a type such as USER_PROCESS`},
		{"type beyond", `{"type":70000}`, `field type: "70000" is not a value of this field`},
		{"pid", `{"type":7,"pid":"x"}`, `field pid: "\"x\"" is not a value of this field`},
		{"pid beyond", `{"type":7,"pid":4294967296}`, `field pid: "4294967296" is not a value of this field`},
		{"time", `{"type":7,"time":"yesterday"}`, `field time: "yesterday" is not a time such as 2026-07-01T08:00:00.123456Z`},
		{"two times", `{"type":7,"time":"2026-07-01T08:00:00Z","time_sec":7}`, "field time: it is there twice: with time_sec, leave it out"},
		{"addr", `{"type":7,"addr":"\u001b"}`, `field addr: "\x1b" is not an address`},
		{"raw", `{"type":7,"layout":"glibc-384-le","raw":"AAAA"}`, "field raw: 3 bytes; a record of glibc-384-le has 384"},
		{"raw alone", `{"type":7,"raw":"AAAA"}`, "field layout: missing, with raw"},
		{"layout", `{"type":7,"layout":"vax","raw":"AAAA"}`, `field layout: no layout "vax": there are glibc-384-le, glibc-384-be, glibc-400-le, glibc-400-be, musl-400-le, musl-400-be, illumos-372-le, illumos-372-be, freebsd-197, netbsd-520-le, netbsd-520-be, netbsd-516-le, netbsd-516-be, netbsd-40-le, netbsd-40-be, netbsd-36-le, netbsd-36-be, openbsd-304-le, openbsd-304-be, macos-628-le, macos-628-be`},
		{"layout without raw", `{"type":7,"layout":"vax"}`, `field layout: no layout "vax": there are glibc-384-le, glibc-384-be, glibc-400-le, glibc-400-be, musl-400-le, musl-400-be, illumos-372-le, illumos-372-be, freebsd-197, netbsd-520-le, netbsd-520-be, netbsd-516-le, netbsd-516-be, netbsd-40-le, netbsd-40-be, netbsd-36-le, netbsd-36-be, openbsd-304-le, openbsd-304-be, macos-628-le, macos-628-be`},
		{"field twice", `{"type":7,"user":"bob","user" : "alice"}`, "field user: it is there twice"},
		{"type twice", `{"type":7,"pid":3,"type":8,"host":"\":"}`, "field type: it is there twice"},
		{"a zone", `{"type":7,"addr":"fe80::1%eth0"}`, `field addr: "fe80::1%eth0": no record holds the zone "eth0"`},
		{"text and raw", `{"type":7,"user":"bob","user_raw":"/w=="}`, "field user: it is not what user_raw says; leave one of the two out"},
		{"unknown field", `{"type":7,"usr":"bob"}`, `field "usr": there is no such field`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Parse([]byte(c.line))
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestChanged: a field that was edited changes that field, and no other byte.
func TestChanged(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		b := encode(t, l, sample())
		at := bytes.Index(b, []byte("alice"))
		b[at+31] = 'z' // behind the user's NUL
		host := bytes.Index(b, []byte("host.example"))
		b[host+200] = 'h'
		line := Append(nil, l.Decode(string(b)))
		changed := bytes.Replace(line, []byte(`"alice"`), []byte(`"bob"`), 1)
		r, _, err := Parse(changed)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(b)
		clear(want[at : at+32])
		copy(want[at:], "bob")
		if got := encode(t, l, r); !bytes.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", l, got, want)
		}
	}
}

// FuzzIdentity: the bytes of any record, in any layout, come back, through one line of JSON
// of printable characters.
func FuzzIdentity(f *testing.F) {
	for _, l := range utmpx.Layouts() {
		f.Add(encode(f, l, sample()))
	}
	f.Add(bytes.Repeat([]byte{0xff}, utmpx.MaxSize))
	f.Add(bytes.Repeat([]byte("\x00\xc2\x9b"), 150))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(bytes.Clone(b), make([]byte, max(0, utmpx.MaxSize-len(b)))...)
		for _, l := range utmpx.Layouts() {
			identity(t, l, b[:l.Size()])
		}
	})
}

func identity(t *testing.T, l *utmpx.Layout, b []byte) {
	line := Append(nil, l.Decode(string(b)))
	if !json.Valid(line) {
		t.Fatalf("%s: not JSON: %q", l, line)
	}
	if strings.ContainsFunc(string(line), func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Fatalf("%s: not printable: %q", l, line)
	}
	r, _, err := Parse(line)
	if err != nil {
		t.Fatalf("%s: %v\n%s", l, err, line)
	}
	if got := encode(t, l, r); !bytes.Equal(got, b) {
		t.Errorf("%s: %s\n%s", l, line, cmp.Diff(b, got))
	}
}

func BenchmarkAppend(b *testing.B) {
	r := utmpx.Glibc384LE.Decode(string(encode(b, utmpx.Glibc384LE, sample())))
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = Append(out[:0], r)
	}
}

func BenchmarkParse(b *testing.B) {
	line := Append(nil, utmpx.Glibc384LE.Decode(string(encode(b, utmpx.Glibc384LE, sample()))))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAppendTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var days, near Days
	for i := range 100_000 {
		at := time.Unix(random.Int64N(lastDate-firstDate)+firstDate, random.Int64N(1e9))
		if i < 100 {
			at = time.Unix(firstOfMarch+int64(i-50)*86400/10, 5000)
		}
		if i%2 == 0 {
			at = time.Unix(at.Unix(), 0)
		}
		form := "2006-01-02T15:04:05.000000Z"
		if at.Nanosecond() == 0 {
			form = "2006-01-02T15:04:05Z"
		}
		want := `"` + at.UTC().Format(form) + `"`
		if got := string(AppendTime(nil, at)); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		if got := string(days.AppendTime(nil, at)); got != want {
			t.Fatalf("after other days: %s, want %s", got, want)
		}
		at = time.Unix(random.Int64N(3*86400)-86400, random.Int64N(1e9)).UTC()
		want = at.Format(`"2006-01-02T15:04:05.000000Z"`)
		if got := string(near.AppendTime(nil, at)); got != want {
			t.Fatalf("of the same few days: %s, want %s", got, want)
		}
	}
}

// TestAppendUint: numbers are as package strconv formats them.
func TestAppendUint(t *testing.T) {
	numbers := []uint64{0, 7, 99_999_999, 100_000_000, math.MaxUint64}
	for n := uint64(1); n < 1e12; n *= 10 {
		numbers = append(numbers, n-1, n, n+1, 7*n+n/3)
	}
	for _, n := range numbers {
		if got, want := string(AppendUint([]byte("x"), n)), "x"+strconv.FormatUint(n, 10); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestAppendString: a text of plain characters is as one that is looked at character by
// character.
func TestAppendString(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		var s string
		for range random.IntN(20) {
			s += []string{"a", "b", "desk.example", "a", "~", " ", `"`, `\`, "\x7f", "\n", "ü", "😀", "\u202e", "\x1b"}[random.IntN(14)]
		}
		var back string
		if err := json.Unmarshal(AppendString(nil, s), &back); err != nil || back != s {
			t.Fatalf("%q: %q, %v", s, back, err)
		}
		if text := string(AppendText(nil, "x", s)); text != `,"x":`+string(AppendString(nil, s)) {
			t.Fatalf("%q: %s", s, text)
		}
	}
}
