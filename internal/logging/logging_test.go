// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/slogtest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// loggers returns each kind of logger, writing to the buffer.
func loggers(b *bytes.Buffer) map[string]*slog.Logger {
	s := newSyslog("utmpd", func() (conn, error) { return bufferConn{b}, nil })
	return map[string]*slog.Logger{
		"foreground": NewForeground(b, slog.LevelDebug, false),
		"journal":    NewForeground(b, slog.LevelDebug, true),
		"debug":      NewDebug(b, slog.LevelDebug),
		"syslog":     slog.New(&handler{level: slog.LevelDebug, write: s.write}),
	}
}

type bufferConn struct{ b *bytes.Buffer }

func (c bufferConn) send(pri int, line []byte) error {
	fmt.Fprintf(c.b, "<%d>%s\n", pri, line)
	return nil
}
func (bufferConn) Close() error { return nil }

// nasty are strings that a record can contain and that must be quoted.
var nasty = []struct{ name, value string }{
	{"newline", "pts/0\nlevel=ERROR msg=forged"},
	{"carriage return", "a\rb"},
	{"NUL", "a\x00b"},
	{"tab", "a\tb"},
	{"escape sequence", "\x1b[2J\x1b]0;title\x07"},
	{"DEL", "\x7f"},
	{"C1 as UTF-8", "\u009b31m"},
	{"C1 as a byte", "\x9b31m"},
	{"NEL", "a\u0085b"},
	{"line separator", "a\u2028b\u2029c"},
	{"bidi override", "alice\u202egnp.exe"},
	{"bidi isolates", "\u2066a\u2069"},
	{"bidi marks", "a\u200e\u200f\u061c"},
	{"zero width", "al\u200bice\ufeff"},
	{"soft hyphen", "al\u00adice"},
	{"no-break space", "a\u00a0b"},
	{"not UTF-8", "\xff\xfe"},
	{"cut rune", "a\xe2\x82"},
	{"surrogate", "\xed\xa0\x80"},
	{"overlong", "\xc0\x9b"},
	{"tag characters", "a\U000e0041"},
	{"quote", `a" user=root`},
	{"equals", "a user=root"},
	{"backslash", `a\x1b`},
	{"priority", "<0>emerg"},
	{"blank", " "},
	{"empty", ""},
}

// seen returns the first character of a line that must not reach a terminal.
func seen(line string) string {
	for i, r := range line {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(line[i:]); n == 1 {
				return fmt.Sprintf("byte %#x", line[i])
			}
		}
		if r != ' ' && !unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) ||
			unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || r == 0xa0 || r == 0xad {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}

func TestNastyValues(t *testing.T) {
	ways := map[string]func(l *slog.Logger, v string){
		"string":     func(l *slog.Logger, v string) { l.Info("m", "user", v) },
		"error":      func(l *slog.Logger, v string) { l.Error("m", "error", errors.New(v)) },
		"bytes":      func(l *slog.Logger, v string) { l.Warn("m", "user", []byte(v)) },
		"strings":    func(l *slog.Logger, v string) { l.Info("m", "users", []string{v, v}) },
		"struct":     func(l *slog.Logger, v string) { l.Info("m", "record", struct{ User string }{v}) },
		"stringer":   func(l *slog.Logger, v string) { l.Info("m", "user", stringer(v)) },
		"log valuer": func(l *slog.Logger, v string) { l.Info("m", "user", valuer(v)) },
		"group":      func(l *slog.Logger, v string) { l.Info("m", slog.Group("g", "user", v)) },
		"with":       func(l *slog.Logger, v string) { l.With("user", v).Info("m") },
		"key":        func(l *slog.Logger, v string) { l.Info("m", v, 1) },
		"group name": func(l *slog.Logger, v string) { l.WithGroup(v).Info("m", "user", 1) },
		"message":    func(l *slog.Logger, v string) { l.Info(v, "user", 1) },
	}
	var b bytes.Buffer
	for form, l := range loggers(&b) {
		for way, log := range ways {
			for _, tt := range nasty {
				b.Reset()
				log(l, tt.value)
				line, ok := strings.CutSuffix(b.String(), "\n")
				if !ok || strings.Contains(line, "\n") {
					t.Errorf("%s, %s, %s: not one line: %q", form, way, tt.name, b.String())
				} else if what := seen(line); what != "" {
					t.Errorf("%s, %s, %s: %s in %q", form, way, tt.name, what, line)
				}
			}
		}
	}
}

type stringer string

func (s stringer) String() string { return string(s) }

type valuer string

func (v valuer) LogValue() slog.Value { return slog.StringValue(string(v)) }

type panics struct{}

func (*panics) Error() string { panic("no") }

func quote(s string) string { return string(appendString(nil, s)) }

func TestQuote(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"word", "pts/0", "pts/0"},
		{"letters of any script", "josé-日本", "josé-日本"},
		{"blank", "a b", `"a b"`},
		{"empty", "", `""`},
		{"forged attribute", `a user=root`, `"a user=root"`},
		{"equals", "a=b", `"a=b"`},
		{"quote", `a"b`, `"a\"b"`},
		{"backslash", `a\n`, `"a\\n"`},
		{"DEL", "\x7f", `"\x7f"`},
		{"C1", "\u009b", `"\u009b"`},
		{"bidi", "\u202e", `"\u202e"`},
		{"byte", "\x9b", `"\x9b"`},
		{"replacement character as such", "\ufffd", "\ufffd"},
		{"at the limit", strings.Repeat("a", maxValue), strings.Repeat("a", maxValue)},
		{"long", strings.Repeat("a", maxValue+1), strings.Repeat("a", maxValue) + "..."},
		{"cut between runes", strings.Repeat("a", maxValue-1) + "é", strings.Repeat("a", maxValue-1) + "..."},
		{"long, invalid UTF-8", strings.Repeat("\x80", maxValue+9), `"` + strings.Repeat(`\x80`, maxValue-4) + `"...`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, quote(tt.in)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestForms(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 123_999_999, time.Local)
	stamp := at.Format("2006-01-02T15:04:05.000Z07:00")
	pid := os.Getpid()
	attrs := []any{"line", "pts/0", "user", "a b", "pid", 42, "wait", time.Second, "addr", netip.MustParseAddr("::1"),
		"ok", true, "none", nil, "bad", (*panics)(nil)}
	const tail = `line=pts/0 user="a b" pid=42 wait=1s addr=::1 ok=true none=<nil> bad=<nil>`
	tests := []struct {
		form  string
		level slog.Level
		attrs []any
		want  string
	}{
		{"foreground", slog.LevelInfo, attrs, "time=" + stamp + ` level=INFO msg="session ended" ` + tail},
		{"foreground", slog.LevelInfo + 1, nil, "time=" + stamp + ` level=INFO+1 msg="session ended"`},
		{"journal", slog.LevelInfo, attrs, `<6>level=INFO msg="session ended" ` + tail},
		{"journal", slog.LevelDebug, nil, `<7>level=DEBUG msg="session ended"`},
		{"journal", slog.LevelWarn, nil, `<4>level=WARN msg="session ended"`},
		{"journal", slog.LevelError, nil, `<3>level=ERROR msg="session ended"`},
		{"debug", slog.LevelInfo, attrs, "15:04:05.123 session ended  " + tail},
		{"debug", slog.LevelDebug, nil, "15:04:05.123 session ended"},
		{"debug", slog.LevelWarn, nil, "15:04:05.123 warning: session ended"},
		{"debug", slog.LevelError, nil, "15:04:05.123 error: session ended"},
		{"syslog", slog.LevelInfo, attrs, fmt.Sprintf(`<30>Jan  2 15:04:05 utmpd[%d]: level=INFO msg="session ended" %s`, pid, tail)},
		{"syslog", slog.LevelError, nil, fmt.Sprintf(`<27>Jan  2 15:04:05 utmpd[%d]: level=ERROR msg="session ended"`, pid)},
	}
	var b bytes.Buffer
	all := loggers(&b)
	for _, tt := range tests {
		t.Run(tt.form+" "+tt.level.String(), func(t *testing.T) {
			b.Reset()
			r := slog.NewRecord(at, tt.level, "session ended", 0)
			r.Add(tt.attrs...)
			if err := all[tt.form].Handler().Handle(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want+"\n", b.String()); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestSlogRules checks the handler with testing/slogtest.
func TestSlogRules(t *testing.T) {
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return NewForeground(&b, slog.LevelDebug, false).Handler()
	}, func(t *testing.T) map[string]any {
		m := make(map[string]any)
		for _, f := range strings.Fields(strings.ReplaceAll(b.String(), `"`, "")) {
			key, value, ok := strings.Cut(f, "=")
			if !ok {
				continue // part of a message with several words
			}
			in := m
			groups := strings.Split(key, ".")
			for _, g := range groups[:len(groups)-1] {
				if in[g] == nil {
					in[g] = make(map[string]any)
				}
				in = in[g].(map[string]any)
			}
			in[groups[len(groups)-1]] = value
		}
		return m
	})
}

// TestWithShares checks that two loggers derived from one do not overwrite each
// other's attributes.
func TestWithShares(t *testing.T) {
	var b bytes.Buffer
	base := NewForeground(&b, slog.LevelDebug, true).With("a", 1)
	one, two := base.With("b", 2), base.With("b", 3)
	one.Info("m", "c", 4)
	two.Info("m", "c", 5)
	want := "<6>level=INFO msg=m a=1 b=2 c=4\n<6>level=INFO msg=m a=1 b=3 c=5\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestLevelVar(t *testing.T) {
	var b bytes.Buffer
	var level slog.LevelVar
	l := NewForeground(&b, &level, true)
	l.Debug("unheard")
	level.Set(slog.LevelDebug)
	l.Debug("heard")
	if want := "<7>level=DEBUG msg=heard\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestToJournal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id := fileID(t, f)
	closed, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	tests := []struct {
		name, stream string
		f            *os.File
		want         bool
	}{
		{"ours", id, f, true},
		{"not set", "", f, false},
		{"inherited", "8:1", f, false},
		{"garbage", id + "x", f, false},
		{"closed", id, closed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := func(key string) string {
				if key == "JOURNAL_STREAM" {
					return tt.stream
				}
				return ""
			}
			if got := ToJournal(env, tt.f); got != tt.want {
				t.Errorf("ToJournal() = %v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzQuote checks that the result has only printable characters and that a
// quoted string can be unquoted.
func FuzzQuote(f *testing.F) {
	for _, tt := range nasty {
		f.Add(tt.value)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q := quote(s)
		if what := seen(q); what != "" || strings.ContainsAny(q, "\n\r") {
			t.Errorf("%s in %q", what, q)
		}
		if len(s) > maxValue {
			return
		}
		if got, err := unquote(q); err != nil || got != s {
			t.Errorf("%q reads back as %q, %v", q, got, err)
		}
	})
}

func fileID(t *testing.T, f *os.File) string {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

func unquote(q string) (string, error) {
	if !strings.HasPrefix(q, `"`) {
		return q, nil
	}
	return strconv.Unquote(q)
}

// TestAppendTime checks that AppendTime formats as package time does.
func TestAppendTime(t *testing.T) {
	const form = "2006-01-02T15:04:05.000Z07:00"
	for _, at := range []time.Time{
		{}, time.Unix(0, 999_999_999).UTC(), time.Unix(1_700_000_000, 1_000_000).UTC(), time.Unix(1_700_000_000, 45_000_000),
		time.Unix(4_000_000_000, 5).In(time.FixedZone("", -34200)), time.Date(12345, 1, 2, 3, 4, 5, 678e6, time.UTC),
		time.Date(-5, 1, 2, 3, 4, 5, 678e6, time.UTC), time.Date(800, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		if got, want := string(AppendTime(nil, at)), at.Format(form); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
