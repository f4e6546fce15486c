// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
)

// TestAccessTimeStays checks that no call but ReadOne moves the log's access time.
func TestAccessTimeStays(t *testing.T) {
	name := filepath.Join(t.TempDir(), "wtmp")
	check(t, os.WriteFile(name, raw(t, layout, sess("pts/0", 1)), 0o600))
	log := recfile.NewLog(name, recfile.Options{Layout: layout})
	old := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	tests := []struct {
		name string
		call func() error
		move bool
	}{
		{"append", func() error { return log.Append(t.Context(), dead("pts/0", 2)) }, false},
		{"sync", log.Sync, false},
		{"holder", func() error { _, _, err := log.Holder(); return err }, false},
		{"layout", func() error { _, err := log.Layout(); return err }, false},
		{"read one", log.ReadOne, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, os.Chtimes(name, old, time.Now()))
			check(t, tt.call())
			info, err := sysfile.Kernel().Lookup(name)
			check(t, err)
			if moved := !info.Accessed.Equal(old); moved != tt.move {
				t.Errorf("accessed %v, was %v; want moved: %v", info.Accessed, old, tt.move)
			}
		})
	}
}
