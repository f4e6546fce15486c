// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"bufio"
	"encoding/json"
	"io"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/fleet/internal/lab"
)

// TestFollowPartition: nothing comes from the server for a while, and nobody is told why.
// What `events -follow` shows is all that happened, once.
func TestFollowPartition(t *testing.T) {
	t.Parallel()
	s, h := lab.Start(t), newHost(t, "web1")
	h.agent(s, s.URL())
	out, w := io.Pipe()
	spawn(t, "utmpfleet", w, nil, nil, "events", "-follow", "-since", "2026-01-01", "-json", "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds"))
	t.Cleanup(func() { out.Close() })
	lines, seen := bufio.NewScanner(out), map[string]bool{}
	shown := func() {
		t.Helper()
		for len(seen) < len(h.want) {
			if !lines.Scan() {
				t.Fatal("it ended")
			}
			var e struct{ ID string }
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil || seen[e.ID] {
				t.Fatalf("twice, or no event: %s", lines.Bytes())
			}
			seen[e.ID] = true
		}
	}
	cut := time.Second
	if *long {
		cut = 40 * time.Second // the server is given up meanwhile
	}
	for range 2 {
		h.happen(5)
		shown()
		check(t, syscall.Kill(s.PID(), syscall.SIGSTOP))
		h.happen(5)
		time.Sleep(cut)
		check(t, syscall.Kill(s.PID(), syscall.SIGCONT))
		h.happen(5)
		shown()
	}
	h.arrives(s)
}
