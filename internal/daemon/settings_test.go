// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/config"
)

// TestSettingsReload: a reload takes the reloadable settings of a file without a
// fault, and nothing of any other.
func TestSettingsReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("MAX_FDS=10\nRUN_DIR=/r\n")
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := settings{cfg, file, slog.New(slog.NewTextHandler(&log, nil))}
	const fixed = "change at the next start only"
	tests := []struct {
		name, text string
		maxFDs     int // in force after the reload
		ok         bool
		logged     string
	}{
		{"reloadable", "MAX_FDS=20\nRUN_DIR=/r\n", 20, true, ""},
		{"a fault", "MAX_FDS=30\nRUN_DIR=/r\nSCAN_PERIOD=x\n", 20, false, "configuration has faults"},
		{"fixed too", "MAX_FDS=40\nRUN_DIR=/elsewhere\n", 40, true, fixed},
		{"the fixed ones of the start again", "MAX_FDS=50\nRUN_DIR=/r\n", 50, true, ""},
		{"RUN_AS", "MAX_FDS=60\nRUN_DIR=/r\nRUN_AS=nobody\n", 60, true, fixed},
	}
	for _, tt := range tests {
		log.Reset()
		write(tt.text)
		if ok := s.reload(); ok != tt.ok || s.MaxFDs != tt.maxFDs {
			t.Errorf("%s: reloaded %v with MAX_FDS %d, want %v with %d", tt.name, ok, s.MaxFDs, tt.ok, tt.maxFDs)
		}
		if d := cmp.Diff(cfg.Fixed, s.Fixed); d != "" {
			t.Errorf("%s: fixed settings changed (-want +got)\n%s", tt.name, d)
		}
		if strings.Contains(log.String(), "using") {
			t.Errorf("%s: nothing of the file is used, and the log says %q", tt.name, log.String())
		}
		if text := log.String(); (text != "") != (tt.logged != "") || !strings.Contains(text, tt.logged) {
			t.Errorf("%s: the log says %q, want %q", tt.name, text, tt.logged)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if s.reload() || s.MaxFDs != 60 {
		t.Errorf("a file that is missing was put in force, MAX_FDS %d", s.MaxFDs)
	}
}

// TestReloadNamesKeys: a reload names each key that takes effect at the next start only,
// and no other. utmpd does not use BOOT_RECORDS, which utmpctl reads whenever it runs.
func TestReloadNamesKeys(t *testing.T) {
	start := []string{"UTMPX_FILE=/u", "WTMPX_FILE=/w", "PIPE_FILE=/p", "RUN_DIR=/r", "STATE_DIR=/s", "RUN_AS=daemon"}
	tests := []struct {
		name string
		set  []string
		keys string
	}{
		{"UTMPX_FILE", []string{"UTMPX_FILE=/x"}, "UTMPX_FILE"},
		{"WTMPX_FILE", []string{"WTMPX_FILE=/x"}, "WTMPX_FILE"},
		{"PIPE_FILE", []string{"PIPE_FILE=/x"}, "PIPE_FILE"},
		{"RUN_DIR", []string{"RUN_DIR=/x"}, "RUN_DIR"},
		{"STATE_DIR", []string{"STATE_DIR=/x"}, "STATE_DIR"},
		{"RUN_AS", []string{"RUN_AS=nobody"}, "RUN_AS"},
		{"LOGIND_HOSTS", []string{"LOGIND_HOSTS=no"}, "LOGIND_HOSTS"},
		{"some, in another order", []string{"RUN_AS=nobody", "SCAN_PERIOD=7", "WTMPX_FILE=/x"}, "WTMPX_FILE RUN_AS"},
		{"the same values", nil, ""},
		{"those that change at once", []string{"SCAN_PERIOD=7", "MAX_FDS=7", "WTMPX_UPDATE_FREQ=7", "GRACE_PERIOD=7", "KEEP_BUSY_LINES=no"}, ""},
		{"utmpctl's", []string{"BOOT_RECORDS=no"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "conf")
			write := func(lines []string) {
				if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(start)
			cfg, _, err := config.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := settings{cfg, file, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: untimed}))}
			changed := slices.DeleteFunc(slices.Clone(start), func(line string) bool {
				key, _, _ := strings.Cut(line, "=")
				return slices.ContainsFunc(tt.set, func(to string) bool { return strings.HasPrefix(to, key+"=") })
			})
			write(append(changed, tt.set...))
			if !s.reload() {
				t.Fatalf("not reloaded: %s", log.String())
			}
			want := ""
			if tt.keys != "" {
				want = `level=WARN msg="configuration: these keys change at the next start only" keys=` + quotedIfMany(tt.keys) + "\n"
			}
			if d := cmp.Diff(want, log.String()); d != "" {
				t.Errorf("the log (-want +got)\n%s", d)
			}
		})
	}
}

func quotedIfMany(keys string) string {
	if strings.Contains(keys, " ") {
		return `"` + keys + `"`
	}
	return keys
}

// untimed leaves the time out of the log.
func untimed(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
