// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"utmpd.dev/utmpd/internal/sysfile"
)

// TestRelativeLinkBelowALinkedDirectory: /var/log may be a link, and wtmp in it one
// that leads up and down again from where the directory really is.
func TestRelativeLinkBelowALinkedDirectory(t *testing.T) {
	if !isRoot() {
		t.Skip("only root's links are followed")
	}
	dir := t.TempDir()
	for _, name := range []string{"data/log", "data/records", "records", "data/more"} {
		check(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
	}
	for name, to := range map[string]string{
		"log": "data/log", "data/log/wtmp": "../records/wtmp", "data/records/wtmp": "../more/wtmp",
	} {
		check(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	check(t, os.WriteFile(filepath.Join(dir, "data/more/wtmp"), raw(t, layout, sess("pts/0", 1)), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "records/wtmp"), raw(t, layout, sess("pts/1", 1)), 0o600)) // another's
	name := filepath.Join(dir, "log/wtmp")
	h, err := sysfile.Kernel().Open(name, sysfile.ReadOnly)
	check(t, err)
	defer h.Close()
	got, err := h.Info()
	check(t, err)
	want, err := sysfile.Kernel().Lookup(name)
	check(t, err)
	if got.Generation != want.Generation {
		t.Errorf("opened %v, the name leads to %v", got.Generation, want.Generation)
	}
}
