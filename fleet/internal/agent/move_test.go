// SPDX-License-Identifier: BSD-2-Clause

package agent_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/lab"
)

// TestServerSilent: an agent whose server takes what it sends, and answers nothing, goes to
// another one, as if they were nodes of a cluster.
func TestServerSilent(t *testing.T) {
	first, dir := lab.Start(t), t.TempDir()
	check(t, os.CopyFS(filepath.Join(dir, "keys"), os.DirFS(filepath.Join(first.Dir, "keys"))))
	other, h := lab.StartIn(t, dir), newHost(t, "web1")
	h.grow(10)
	h.agent(first, func(c *agent.Config) { c.URL = first.URL() + "," + other.URL() })
	servers := []*lab.Server{first, other}
	wait(t, func() bool { // it has chosen one of them
		if len(ids(t, other, h.name)) > 0 {
			servers[0], servers[1] = other, first
		}
		return len(ids(t, servers[0], h.name)) > 0
	})
	h.arrives(servers[0])
	check(t, syscall.Kill(servers[0].PID(), syscall.SIGSTOP))
	h.grow(10)
	h.arrives(servers[1]) // which has all, since it had nothing
}
