// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/fleet/internal/agent"
)

// TestFiles: the agent reads what utmpd and utmpctl of its machine read and write; a ledger
// only beside the log that it is of.
func TestFiles(t *testing.T) {
	set := filepath.Join(t.TempDir(), "utmpd")
	if err := os.WriteFile(set, []byte("WTMPX_FILE=/srv/wtmp\nUTMPX_FILE=/srv/utmp\nSTATE_DIR=/srv/state\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	type names struct{ wtmp, utmp, ledger string }
	for _, c := range []struct {
		name, config string
		given, want  names
	}{
		{"as utmpd is set", set, names{}, names{"/srv/wtmp", "/srv/utmp", "/srv/state/boots"}},
		{"by default", empty, names{utmp: "u"}, names{"/var/log/wtmp", "u", "/var/lib/utmpd/boots"}},
		{"another log", set, names{wtmp: "w", utmp: "u"}, names{"w", "u", ""}},
		{"another log, with its ledger", set, names{"w", "u", "l"}, names{"w", "u", "l"}},
		{"another ledger", set, names{ledger: "l"}, names{"/srv/wtmp", "/srv/utmp", "l"}},
	} {
		cfg := agent.Config{Wtmp: c.given.wtmp, Utmp: c.given.utmp, Ledger: c.given.ledger}
		var said bytes.Buffer
		if err := files(&call{stderr: &said}, c.config, &cfg); err != nil || said.Len() > 0 {
			t.Errorf("%s: %v %s", c.name, err, said.String())
		}
		if got := (names{cfg.Wtmp, cfg.Utmp, cfg.Ledger}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
