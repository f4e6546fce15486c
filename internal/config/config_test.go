// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/sysfile"
)

// with returns the defaults changed by f.
func with(f func(*Config)) Config {
	c := Default()
	f(&c)
	return c
}

func grace(d time.Duration) Config { return with(func(c *Config) { c.GracePeriod = d }) }

func scan(n int) Config {
	return with(func(c *Config) { c.ScanPeriod = time.Duration(n) * time.Second })
}

func runDir(s string) Config { return with(func(c *Config) { c.RunDir = s }) }

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want Config
		warn []string // "LINE: part of the text"
	}{
		{name: "empty", want: Default()},
		{name: "comments and blanks", in: "# a\n\n \t# b\n\t\n", want: Default()},
		{name: "all keys", in: `SCAN_PERIOD=10
MAX_FDS=100
WTMPX_UPDATE_FREQ=20
GRACE_PERIOD=0.25
KEEP_BUSY_LINES=no
UTMPX_FILE=/u
WTMPX_FILE=/w
PIPE_FILE=/p
RUN_DIR=/r/
STATE_DIR=/s//t
BOOT_RECORDS=no
RUNLEVEL_RECORDS=yes
RUN_AS=utmpd
LOGIND=auto
LOGIND_HOSTS=no
`, want: Config{
			Reloadable{10 * time.Second, 100, 20 * time.Second, 250 * time.Millisecond, false},
			Fixed{"/u", "/w", "/p", "/r", "/s/t", "utmpd", LogindAuto, false}, Systems, Ours,
		}},
		{name: "no newline at the end", in: "SCAN_PERIOD=10", want: scan(10)},
		{name: "export", in: " export \tSCAN_PERIOD=10\n", want: scan(10)},
		{name: "comment after", in: "SCAN_PERIOD=10 # ten\n", want: scan(10)},
		{name: "blanks after", in: "SCAN_PERIOD=10 \t \n", want: scan(10)},
		{name: "leading zeros", in: "SCAN_PERIOD=0010\n", want: scan(10)},

		{name: "single quotes", in: `RUN_DIR='/a b$c\d"e'`, want: runDir(`/a b$c\d"e`)},
		{name: "double quotes", in: `RUN_DIR="/a b'c\"\\\$` + "\\`" + `\d"`, want: runDir("/a b'c\"\\$`\\d")},
		{name: "backslash", in: `RUN_DIR=/a\ b\$c\'\#`, want: runDir(`/a b$c'#`)},
		{name: "adjacent pieces", in: `RUN_DIR='/a'"b"c`, want: runDir("/abc")},
		{name: "# in a word", in: "RUN_DIR=/a#b", want: runDir("/a#b")},
		{name: "# in quotes", in: "RUN_DIR='/a #b'", want: runDir("/a #b")},
		{name: "not UTF-8", in: "RUN_DIR=/a\xff", want: runDir("/a\xff")},
		{name: "empty path", in: "RUN_DIR=\nRUN_AS=''\nSTATE_DIR= # none\n", want: Default()},

		{name: "open single quote", in: "RUN_DIR='/a\nMAX_FDS=5\n",
			want: with(func(c *Config) { c.MaxFDs = 5 }), warn: []string{"1: not closed"}},
		{name: "open double quote", in: `RUN_DIR="/a\"`, want: Default(), warn: []string{"1: not closed"}},
		{name: "backslash at the end", in: `RUN_DIR=/a\`, want: Default(), warn: []string{`1: a \ at the end`}},
		{name: "expansion", in: "RUN_DIR=$HOME\nSTATE_DIR=\"/a/$x\"\nPIPE_FILE=`id`\nUTMPX_FILE=\"`id`\"\n",
			want: Default(), warn: []string{"1: a $", "2: a $", "3: a `", "4: a `"}},
		{name: "NUL", in: "RUN_DIR=/a\x00\nSTATE_DIR='/a\x00'\n", want: Default(), warn: []string{"1: NUL", "2: NUL"}},
		{name: "shell characters", in: "MAX_FDS=5; reboot\nRUN_DIR=/a&\n", want: Default(),
			warn: []string{"1: a ;", "2: a &"}},
		{name: "two words", in: "SCAN_PERIOD=10 20\n", want: Default(), warn: []string{"1: more than one word"}},
		{name: "blank after =", in: "SCAN_PERIOD= 10\n", want: Default(), warn: []string{"1: blank after"}},
		{name: "blank before =", in: "SCAN_PERIOD =10\n", want: Default(), warn: []string{"1: a blank before the =; write NAME=value without blanks"}},
		{name: "blanks around =", in: "export SCAN_PERIOD\t= 10\n", want: Default(), warn: []string{"1: a blank before the ="}},
		{name: "misspelt", in: "SCAN_PEROID=10\nMAXFDS=10\nUTMP_FILE=/a\nGRACE_PEIROD=1\nCOLOUR=1\n", want: Default(),
			warn: []string{"1: unknown key SCAN_PEROID; did you mean SCAN_PERIOD?", "2: unknown key MAXFDS; did you mean MAX_FDS?", "3: unknown key UTMP_FILE; did you mean UTMPX_FILE?", "4: unknown key GRACE_PEIROD; did you mean GRACE_PERIOD?", "5: unknown key COLOUR"}},
		{name: "no =", in: "SCAN_PERIOD\nexport SCAN_PERIOD\nexport\n", want: Default(),
			warn: []string{"1: not NAME=value", "2: not NAME=value", "3: not NAME=value"}},
		{name: "no name", in: "=5\n9A=5\n\x1b[2J=5\n", want: Default(),
			warn: []string{"1: not NAME=value", "2: not NAME=value", "3: not NAME=value"}},
		{name: "CR LF", in: "SCAN_PERIOD=10\r\nMAX_FDS=5\r\n",
			want: with(func(c *Config) { c.ScanPeriod, c.MaxFDs = 10*time.Second, 5 }), warn: []string{"1: CR LF"}},
		{name: "byte order mark", in: "\ufeffSCAN_PERIOD=10\n", want: scan(10), warn: []string{"1: byte order mark"}},
		{name: "unknown key", in: "SCAN_PERIOD=10\nSCAN_PERIODS=10\nscan_period=1", want: scan(10),
			warn: []string{"2: unknown key SCAN_PERIODS", "3: unknown key scan_period"}},
		{name: "twice", in: "SCAN_PERIOD=10\n\nSCAN_PERIOD=20\n", want: scan(20), warn: []string{"3: line 1"}},
		{name: "twice, the last is bad", in: "SCAN_PERIOD=10\nSCAN_PERIOD=x\n", want: Default(),
			warn: []string{"2: line 1", `2: SCAN_PERIOD: "x" is not a whole number; using 300`}},

		{name: "zero", in: "SCAN_PERIOD=0\nMAX_FDS=0\nWTMPX_UPDATE_FREQ=0\n", want: Default(),
			warn: []string{"1: from 1 to 604800; using 300", "2: from 1 to 1048576; using 4096", "3: using 60"}},
		{name: "negative", in: "SCAN_PERIOD=-1\nMAX_FDS=-5\nGRACE_PERIOD=-0.5\n", want: Default(),
			warn: []string{"1: from 1", "2: from 1", "3: from 0 to 3600"}},
		{name: "at the limit", in: "SCAN_PERIOD=604800\nMAX_FDS=1048576\nGRACE_PERIOD=3600.0\n",
			want: with(func(c *Config) { c.ScanPeriod, c.MaxFDs, c.GracePeriod = MaxPeriod, MaxMaxFDs, MaxGrace })},
		{name: "beyond the limit", in: "SCAN_PERIOD=604801\nMAX_FDS=1048577\nGRACE_PERIOD=3600.000000001\n", want: Default(),
			warn: []string{"1: from 1", "2: from 1", "3: from 0"}},
		{name: "huge", in: "SCAN_PERIOD=99999999999999999999\nMAX_FDS=18446744073709551617\nGRACE_PERIOD=99999999999999999999\n",
			want: Default(), warn: []string{"1: from 1", "2: from 1", "3: from 0"}},
		{name: "not a number", in: "SCAN_PERIOD=5m\nMAX_FDS=0x10\nWTMPX_UPDATE_FREQ=+5\nGRACE_PERIOD=1e3\n", want: Default(),
			warn: []string{"1: whole number", "2: whole number", "3: whole number", "4: number of seconds"}},
		{name: "empty number", in: "SCAN_PERIOD=\nGRACE_PERIOD=\nKEEP_BUSY_LINES=\n", want: Default(),
			warn: []string{"1: whole number", "2: number of seconds", "3: neither yes nor no"}},
		{name: "fraction where none is allowed", in: "SCAN_PERIOD=1.5\n", want: Default(), warn: []string{"1: whole"}},

		{name: "boot records", in: "BOOT_RECORDS=yes\n", want: with(func(c *Config) { c.BootRecords = Ours })},
		{name: "boot records in other words", in: "BOOT_RECORDS=Auto\n", want: Default()},
		{name: "run levels", in: "RUNLEVEL_RECORDS=no\n", want: with(func(c *Config) { c.RunLevelRecords = Systems })},
		{name: "no such run levels", in: "RUNLEVEL_RECORDS=3\n", want: Default(), warn: []string{"1: none of auto, yes, no; using auto"}},
		{name: "no such boot records", in: "BOOT_RECORDS=maybe\n", want: Default(), warn: []string{"1: none of auto, yes, no; using auto"}},

		{name: "grace at once", in: "GRACE_PERIOD=0\n", want: grace(0)},
		{name: "grace .5", in: "GRACE_PERIOD=.5\n", want: grace(500 * time.Millisecond)},
		{name: "grace 2.", in: "GRACE_PERIOD=2.\n", want: grace(2 * time.Second)},
		{name: "grace finer than time", in: "GRACE_PERIOD=0.1234567891\n", want: grace(123456789)},
		{name: "grace of no digits", in: "GRACE_PERIOD=.\n", want: Default(), warn: []string{"1: number of seconds"}},
		{name: "grace with two points", in: "GRACE_PERIOD=1.2.3\n", want: Default(), warn: []string{"1: number of seconds"}},

		{name: "yes", in: "KEEP_BUSY_LINES=YES\n", want: Default()},
		{name: "true", in: "KEEP_BUSY_LINES=true\n", want: Default()},
		{name: "0", in: "KEEP_BUSY_LINES=0\n", want: with(func(c *Config) { c.KeepBusyLines = false })},
		{name: "False", in: "KEEP_BUSY_LINES=False\n", want: with(func(c *Config) { c.KeepBusyLines = false })},
		{name: "maybe", in: "KEEP_BUSY_LINES=maybe\n", want: Default(), warn: []string{"1: neither"}},

		{name: "relative path", in: "RUN_DIR=run/utmpd\nSTATE_DIR=~/x\n", want: Default(),
			warn: []string{"1: absolute", "2: absolute"}},
		{name: "one path for both files", in: "UTMPX_FILE=/a/\nWTMPX_FILE=/a\nMAX_FDS=5\n",
			want: with(func(c *Config) { c.UtmpxFile, c.MaxFDs = "/a", 5 }), warn: []string{"2: WTMPX_FILE is the UTMPX_FILE"}},
		{name: "control character in a path", in: "RUN_DIR='/a\tb'\nSTATE_DIR=/a\x7f\n", want: Default(),
			warn: []string{`1: "/a\tb" has a control character; using the default`, "2: control"}},
		{name: "long path", in: "RUN_DIR=/" + strings.Repeat("a", 4095), want: Default(), warn: []string{"1: longer"}},
		{name: "user names", in: "RUN_AS=_utmpd-1.x\n", want: with(func(c *Config) { c.RunAs = "_utmpd-1.x" })},
		{name: "not a user name", in: "RUN_AS=-utmpd\nRUN_AS=a:b\n", want: Default(),
			warn: []string{"1: user name", "2: line 1", "2: user name"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings := Parse(strings.NewReader(tt.in), "f")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			wantWarnings(t, tt.warn, warnings)
		})
	}
}

// wantWarnings compares warnings with their lines and parts of their texts.
func wantWarnings(t *testing.T, want []string, got []Warning) {
	t.Helper()
	for i, w := range got {
		line, text, _ := strings.Cut(w.String(), ": ")
		if i >= len(want) {
			t.Errorf("unexpected warning: %v", w)
			continue
		}
		wantLine, wantText, _ := strings.Cut(want[i], ": ")
		if line != "f:"+wantLine || !strings.Contains(text, wantText) {
			t.Errorf("warning %d is %q, want %q", i, w, want[i])
		}
	}
	if len(got) < len(want) {
		t.Errorf("%d warnings, want %q", len(got), want)
	}
}

func TestParseReaderFails(t *testing.T) {
	r := io.MultiReader(strings.NewReader("SCAN_PERIOD=10\n"), iotest.ErrReader(errors.New("torn cable")))
	got, warnings := Parse(r, "f")
	if d := cmp.Diff(scan(10), got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	wantWarnings(t, []string{"1: torn cable"}, warnings)
}

func TestParseBounded(t *testing.T) {
	_, warnings := Parse(strings.NewReader(strings.Repeat("x\n", 1<<20)), "f")
	if len(warnings) != maxWarnings+1 {
		t.Errorf("%d warnings", len(warnings))
	}
	last := warnings[len(warnings)-1]
	if !strings.Contains(last.Text, "more warnings") || last.Line != maxSize/2 {
		t.Errorf("the last warning is %v", last)
	}
}

func TestWarningString(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"plain", "/etc/default/utmpd", "not NAME=value", "/etc/default/utmpd:7: not NAME=value"},
		{"escape", "f", "a\x1b[2Jb", `f:7: "a\x1b[2Jb"`},
		{"bidi in the name", "f\u202e", "a", `"f\u202e":7: a`},
		{"C1", "f", "a\u009bb", `f:7: "a\u009bb"`},
		{"not UTF-8", "f", "a\x9bb", `f:7: "a\x9bb"`},
		{"newline", "f", "a\nb", `f:7: "a\nb"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Warning{File: tt.file, Line: 7, Text: tt.text}).String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"good":  "SCAN_PERIOD=10\nX=1\n",
		"limit": strings.Repeat("#", maxSize),
		"large": strings.Repeat("#", maxSize+1),
	} {
		if err := os.WriteFile(path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(path("good"), path("link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		want     Config
		warnings int
		err      error
	}{
		{name: "good", want: scan(10), warnings: 1},
		{name: "link", want: scan(10), warnings: 1},
		{name: "limit", want: Default()},
		{name: "large", want: Default(), err: ErrTooLarge},
		{name: "fifo", want: Default(), err: ErrNotRegular},
		{name: ".", want: Default(), err: ErrNotRegular},
		{name: "missing", want: Default(), err: fs.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, warnings, err := Load(path(tt.name))
			if d := cmp.Diff(tt.want.withPaths(), got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if len(warnings) != tt.warnings || len(warnings) > 0 && warnings[0].File != path(tt.name) {
				t.Errorf("warnings: %v", warnings)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

// TestLine: the last line that sets a key is the one that counts.
func TestLine(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("# RUN_AS=x\nRUN_AS=a\nMAX_FDS=5\nexport RUN_AS='b'\nRUN_DIR=/r"), 0o644); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{"RUN_AS": 4, "MAX_FDS": 3, "RUN_DIR": 5, "STATE_DIR": 1} {
		if got := Line(name, key); got != want {
			t.Errorf("%s: line %d, want %d", key, got, want)
		}
	}
}

func TestLoadDefaultFile(t *testing.T) {
	if _, err := os.Stat(DefaultFile); err == nil {
		t.Log("this machine has a", DefaultFile)
		return
	}
	c, w, err := Load("")
	if err != nil || len(w) > 0 {
		t.Errorf("a missing default file: %v, %v", w, err)
	}
	if d := cmp.Diff(Default().withPaths(), c); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestLoadFillsPaths: a path that is set stays, every other one is the system's,
// and the pipe follows RUN_DIR where it is in it.
func TestLoadFillsPaths(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("UTMPX_FILE=/u\nRUN_DIR=/r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, warnings, err := Load(name)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	_, wtmpx := sysfile.NativePaths()
	want := Fixed{UtmpxFile: "/u", WtmpxFile: wtmpx, PipeFile: pipeFile("/r"), RunDir: "/r", StateDir: "/var/lib/utmpd", Logind: LogindAuto, LogindHosts: true}
	if d := cmp.Diff(want, got.Fixed); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// FuzzParse states: it never panics, each warning has a file and a line of the
// input and can be printed, and what was parsed prints as a file that parses to
// the same, without a warning.
func FuzzParse(f *testing.F) {
	f.Add([]byte("SCAN_PERIOD=10 # x\nexport RUN_DIR='/a'\"b\"\\c\r\nGRACE_PERIOD=.5\nX=$y\n"))
	f.Add([]byte("RUN_DIR=/a\xff'\nRUN_AS=\nRUN_DIR=\"/it's $\"\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, warnings := Parse(strings.NewReader(string(in)), "f")
		lines := strings.Count(string(in), "\n") + 1
		for _, w := range warnings {
			if w.File != "f" || w.Line < 1 || w.Line > lines {
				t.Errorf("a warning without its place: %+v", w)
			}
			if s := w.String(); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\ufffd' }) {
				t.Errorf("a warning that cannot be printed: %q", s)
			}
		}
		again, warnings := Parse(strings.NewReader(format(c)), "f")
		if len(warnings) > 0 {
			t.Errorf("%q: %v", format(c), warnings)
		}
		if d := cmp.Diff(c, again); d != "" {
			t.Errorf("%q: (-parsed +printed and parsed)\n%s", format(c), d)
		}
	})
}
