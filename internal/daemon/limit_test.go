// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/config"
)

// TestWatchLimit: the limit of open files is raised to MAX_FDS and what utmpd needs
// besides. If that fails, it logs so and uses what there is.
func TestWatchLimit(t *testing.T) {
	tests := []struct {
		name   string
		got    int // the limit, after the attempt
		err    error
		want   int
		logged string
	}{
		{"raised", 4096 + spareFDs, nil, 4096, ""},
		{"higher already", 1 << 20, nil, 4096, ""},
		{"not as far", 1024, errors.New("not permitted"), 1024 - spareFDs, `"watched at most"=960`},
		{"less than utmpd needs", 16, errors.New("not permitted"), 1, `"watched at most"=1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			asked := 0
			d := &daemon{
				cfg: settings{Config: config.Default()},
				log: logger{slog.New(slog.NewTextHandler(&log, nil)), io.NopCloser(nil)},
				on:  machine{raiseLimit: func(want int) (int, error) { asked = want; return tt.got, tt.err }},
			}
			if got := d.watchLimit(); got != tt.want || asked != 4096+spareFDs {
				t.Errorf("%d may be watched, want %d; asked for %d", got, tt.want, asked)
			}
			text := log.String()
			if warned := strings.Contains(text, "below MAX_FDS"); warned != (tt.logged != "") || !strings.Contains(text, tt.logged) {
				t.Errorf("the log says %q, want %q", text, tt.logged)
			}
		})
	}
}
