// SPDX-License-Identifier: BSD-2-Clause

package utmpx_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"utmpd.dev/utmpd/utmpx"
)

var update = flag.Bool("update", false, "write the golden files from the field tables")

// day is what a small machine's log holds of a day. Strings that fill their
// fields, seconds after 2038, addresses of both kinds are in it.
var day = []utmpx.Record{
	{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12.0-amd64", Time: utmpx.Time{Sec: 1_780_000_000, Usec: 1}},
	{Type: utmpx.RunLevel, PID: '5' + 256*'N', Line: "~", ID: "~~", User: "runlevel", Host: "6.12.0-amd64", Time: utmpx.Time{Sec: 1_780_000_005}},
	{Type: utmpx.OldTime, Line: "|", User: "date", Time: utmpx.Time{Sec: 1_780_000_010}},
	{Type: utmpx.NewTime, Line: "{", User: "date", Time: utmpx.Time{Sec: 1_780_000_020, Usec: 999_999}},
	{Type: utmpx.InitProcess, PID: 800, Line: "tty1", ID: "tty1", Time: utmpx.Time{Sec: 1_780_000_021}, Session: 800},
	{Type: utmpx.LoginProcess, PID: 801, Line: "tty1", ID: "tty1", User: "LOGIN", Time: utmpx.Time{Sec: 1_780_000_022}, Session: 801},
	{Type: utmpx.UserProcess, PID: 4_194_303, Line: "pts/0", ID: "ts/0", User: "älice", Host: "2001:db8::7", Session: 12,
		Time: utmpx.Time{Sec: math.MaxInt32 + 1, Usec: 500_000}, Addr: [16]byte{0x20, 1, 0xd, 0xb8, 15: 7}},
	{Type: utmpx.UserProcess, PID: 5000, Line: "pts/" + strings.Repeat("1", 28), ID: "/111", User: strings.Repeat("u", 32),
		Host: strings.Repeat("h", 256), Time: utmpx.Time{Sec: math.MaxUint32}, Addr: [16]byte{10, 0, 0, 7}},
	{Type: utmpx.DeadProcess, PID: 5000, Line: "pts/1", ID: "ts/1", Time: utmpx.Time{Sec: 1_780_000_900, Usec: 42}, Exit: utmpx.Exit{Termination: 9, Exit: 3}},
	{Type: utmpx.Accounting, Time: utmpx.Time{Sec: 1_780_001_000}},
}

// sans leaves out what a layout does not keep.
func sans(t table, recs []utmpx.Record) []utmpx.Record {
	out := append([]utmpx.Record(nil), recs...)
	for i := range out {
		if t.addr < 0 {
			out[i].Addr = [16]byte{}
		}
	}
	return out
}

var fields = cmpopts.IgnoreUnexported(utmpx.Record{})

// TestGolden: the files under testdata are built by the tables, not by the codec.
func TestGolden(t *testing.T) {
	for _, tab := range tables {
		t.Run(tab.name, func(t *testing.T) {
			l := tab.layout(t)
			name := filepath.Join("testdata", tab.name+".golden")
			if *update {
				if err := os.WriteFile(name, tab.file(day...), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if l.Size() != tab.size || len(data) != len(day)*tab.size {
				t.Fatalf("record of %d bytes, file of %d", l.Size(), len(data))
			}
			want := sans(tab, day)
			for i := range want {
				b := data[i*tab.size : (i+1)*tab.size]
				if d := cmp.Diff(want[i], l.Decode(string(b)), fields); d != "" {
					t.Errorf("record %d (-want +got):\n%s", i, d)
				}
				got, err := l.Encode(want[i])
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(b) {
					t.Errorf("record %d is encoded as\n%q, want\n%q", i, got, b)
				}
			}
		})
	}
}

// identity decodes any bytes and encodes them again, also after Detach.
func identity(t testing.TB, l *utmpx.Layout, data []byte) {
	t.Helper()
	raw := make([]byte, l.Size())
	copy(raw, data)
	r := l.Decode(string(raw))
	for what, r := range map[string]utmpx.Record{"decoded": r, "detached": r.Detach()} {
		got, err := l.Encode(r)
		if err != nil {
			t.Fatalf("%s as %s: %v", what, l, err)
		}
		if string(got) != string(raw) {
			t.Fatalf("%s as %s and encoded:\n%q\nwas\n%q", what, l, got, raw)
		}
	}
	if r.Detach() != r || r.Raw() != string(raw) || r.Layout() != l {
		t.Fatalf("%s: Detach, Raw or Layout do not give the record back", l)
	}
	_ = r.String()
}

func TestIdentityOfAnyBytes(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		t.Run(l.Name(), func(t *testing.T) {
			identity(t, l, nil)
			identity(t, l, []byte(strings.Repeat("\xff", utmpx.MaxSize)))
			f := func(a [utmpx.MaxSize]byte) bool { identity(t, l, a[:]); return true }
			if err := quick.Check(f, &quick.Config{MaxCount: 500}); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzIdentity(f *testing.F) {
	for _, tab := range tables {
		for _, r := range day {
			f.Add(tab.record(r))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, l := range utmpx.Layouts() {
			identity(t, l, data)
		}
	})
}

// FuzzChange: one field changed changes that field and no byte besides.
func FuzzChange(f *testing.F) {
	f.Add([]byte("x"), int32(7), int64(1), "user")
	f.Fuzz(func(t *testing.T, data []byte, pid int32, sec int64, user string) {
		for _, tab := range tables {
			l := tab.layout(t)
			raw := make([]byte, l.Size())
			copy(raw, data)
			r := l.Decode(string(raw))
			r.PID, r.Time.Sec, r.User = pid, sec, user
			b, err := l.Encode(r)
			if err != nil {
				fits := len(user) <= 32 && strings.IndexByte(user, 0) < 0 && (tab.sec.width == 8 || sec >= 0 && sec <= math.MaxUint32)
				if fits || !errors.Is(err, utmpx.ErrRange) {
					t.Fatalf("%s: %v", l, err)
				}
				continue
			}
			if got := l.Decode(string(b)); got.PID != pid || got.Time.Sec != sec || got.User != user {
				t.Fatalf("%s: wrote %d, %d, %q, read %v", l, pid, sec, user, got)
			}
			for _, f := range []field{tab.pid, tab.sec, tab.user} {
				copy(b[f.off:f.off+f.width], raw[f.off:])
			}
			if string(b) != string(raw) {
				t.Fatalf("%s: bytes of other fields changed", l)
			}
		}
	})
}

func TestChangedFieldKeepsTheRest(t *testing.T) {
	for _, tab := range tables {
		t.Run(tab.name, func(t *testing.T) {
			l := tab.layout(t)
			raw := []byte(strings.Repeat("\x01", tab.size))
			copy(raw[tab.user.off:], "alice\x00left behind the NUL")
			r := l.Decode(string(raw))
			r.Type = utmpx.DeadProcess
			got, err := l.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			want := append([]byte(nil), raw...)
			copy(want[tab.typ.off:], tab.record(utmpx.Record{Type: utmpx.DeadProcess})[tab.typ.off:tab.typ.off+2])
			if string(got) != string(want) {
				t.Errorf("encoded\n%q, want\n%q", got, want)
			}
			r.User = "bob" // the whole field is written
			if got, err = l.Encode(r); err != nil {
				t.Fatal(err)
			}
			copy(want[tab.user.off:tab.user.off+32], "bob"+strings.Repeat("\x00", 29))
			if string(got) != string(want) {
				t.Errorf("with another user\n%q, want\n%q", got, want)
			}
		})
	}
}

func TestEncodeRange(t *testing.T) {
	tests := []struct {
		name string
		set  func(*utmpx.Record)
		text string
		ok   func(tab table) bool // where it does fit
	}{
		{"line", func(r *utmpx.Record) { r.Line = strings.Repeat("l", 33) }, "line", nil},
		{"id", func(r *utmpx.Record) { r.ID = "abcde" }, "id", nil},
		{"user", func(r *utmpx.Record) { r.User = strings.Repeat("u", 33) }, "user", nil},
		{"host of 257", func(r *utmpx.Record) { r.Host = strings.Repeat("h", 257) }, "host", func(t table) bool { return t.host.width == 257 }},
		{"host of 258", func(r *utmpx.Record) { r.Host = strings.Repeat("h", 258) }, "host", nil},
		{"NUL", func(r *utmpx.Record) { r.User = "a\x00b" }, "NUL", nil},
		{"1969", func(r *utmpx.Record) { r.Time.Sec = -1 }, "seconds", func(t table) bool { return t.sec.width == 8 }},
		{"2106", func(r *utmpx.Record) { r.Time.Sec = math.MaxUint32 + 1 }, "seconds", func(t table) bool { return t.sec.width == 8 }},
		{"the last second of 32 bits", func(r *utmpx.Record) { r.Time.Sec = math.MaxUint32 }, "", func(table) bool { return true }},
		{"session", func(r *utmpx.Record) { r.Session = 1 << 40 }, "session", func(t table) bool { return t.session.width == 8 }},
	}
	for _, tt := range tests {
		for _, tab := range tables {
			t.Run(tt.name+" "+tab.name, func(t *testing.T) {
				var r utmpx.Record
				tt.set(&r)
				_, err := tab.layout(t).Encode(r)
				if tt.ok != nil && tt.ok(tab) {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if !errors.Is(err, utmpx.ErrRange) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %v, want ErrRange and %q", err, tt.text)
				}
			})
		}
	}
}

func TestSyslenFollowsHost(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257} {
		b, err := utmpx.Illumos372BE.Encode(utmpx.Record{Host: strings.Repeat("h", n)})
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if n > 0 {
			want = min(n+1, 257)
		}
		if got := int(b[112])<<8 | int(b[113]); got != want {
			t.Errorf("host of %d bytes: ut_syslen %d, want %d", n, got, want)
		}
	}
}

func TestByName(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		if got, err := utmpx.ByName(l.String()); got != l || err != nil {
			t.Errorf("ByName(%q) = %v, %v", l, got, err)
		}
	}
	if _, err := utmpx.ByName("vax"); err == nil || !strings.Contains(err.Error(), "glibc-384-le") {
		t.Errorf("an unknown name: %v", err)
	}
}

// TestAppendEncode: what is in the slice already stays, and after an error it is all
// that is left.
func TestAppendEncode(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		one, err := l.Encode(day[6])
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.AppendEncode([]byte("kept"), day[6])
		if string(b) != "kept"+string(one) || err != nil {
			t.Errorf("%s: %q, %v", l, b, err)
		}
		dirty := append(make([]byte, 0, 2*l.Size()), "kept"...)
		copy(dirty[4:cap(dirty)], strings.Repeat("\xff", cap(dirty)))
		if b, err = l.AppendEncode(dirty, day[6]); string(b) != "kept"+string(one) || err != nil {
			t.Errorf("%s: over old bytes: %q, %v", l, b, err)
		}
		if b, err = l.AppendEncode(b[:4], utmpx.Record{ID: "abcde"}); string(b) != "kept" || !errors.Is(err, utmpx.ErrRange) {
			t.Errorf("%s: after an error: %q, %v", l, b, err)
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	for _, tab := range tables {
		l, b := tab.layout(t), string(tab.record(day[6]))
		if n := testing.AllocsPerRun(100, func() { l.Decode(b) }); n != 0 {
			t.Errorf("%s: %v allocations", l, n)
		}
	}
}

func TestIP(t *testing.T) {
	for _, s := range []string{"10.0.0.7", "2001:db8::7", "::1"} {
		var r utmpx.Record
		r.SetIP(netip.MustParseAddr(s))
		if got, ok := r.IP(); !ok || got.String() != s {
			t.Errorf("%s comes back as %v, %v", s, got, ok)
		}
	}
	var r utmpx.Record
	if _, ok := r.IP(); ok {
		t.Error("no address is one")
	}
}

func TestTime(t *testing.T) {
	at := time.Unix(math.MaxUint32, 123_456_789)
	if got := utmpx.TimeOf(at); got != (utmpx.Time{Sec: math.MaxUint32, Usec: 123_456}) {
		t.Errorf("TimeOf: %v", got)
	}
	for _, usec := range []int64{-1, 1_000_000} {
		if got := (utmpx.Time{Sec: 5, Usec: usec}).Time(); !got.Equal(time.Unix(5, 0)) {
			t.Errorf("%d microseconds: %v", usec, got)
		}
	}
}

func TestString(t *testing.T) {
	r := day[6]
	r.User, r.Exit = "a\n\x1b[31m", utmpx.Exit{Termination: 15}
	want := `USER_PROCESS line="pts/0" id="ts/0" user="a\n\x1b[31m" host="2001:db8::7" pid=4194303 session=12 addr=2001:db8::7 exit=15/0 time=2038-01-19T03:14:08.500000Z`
	if got := r.String(); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	if got := fmt.Sprint(utmpx.Type(42), utmpx.DownTime, utmpx.Type(-1)); got != "type 42 DOWN_TIME type -1" {
		t.Error(got)
	}
}

func TestMaxSize(t *testing.T) {
	largest := 0
	for _, l := range utmpx.Layouts() {
		largest = max(largest, l.Size())
	}
	if largest != utmpx.MaxSize {
		t.Errorf("MaxSize is %d, the largest layout has %d bytes", utmpx.MaxSize, largest)
	}
}
