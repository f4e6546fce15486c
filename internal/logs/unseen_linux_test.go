// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"os"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/logs"
)

// TestReadUnseen: no reading moves the access time of a log, which tells when the
// system was last up.
func TestReadUnseen(t *testing.T) {
	w := kernelWorld{t.TempDir()}
	putAs(t, w, "wtmp.1", "gz", "a1")
	put(t, w, "wtmp", "b2")
	at := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	for _, name := range []string{"wtmp", "wtmp.1"} {
		check(t, os.Chtimes(w.Path(name), at, time.Now()))
	}
	l := openLog(w)
	for name, read := range map[string]func() error{
		"end":      func() error { _, err := l.End(t.Context()); return err },
		"forward":  func() error { _, err := pids(l.Forward(t.Context())); return err },
		"backward": func() error { _, err := pids(l.AllBackward(t.Context())); return err },
		"since":    func() error { _, err := pids(l.Since(t.Context(), time.Unix(epoch, 0))); return err },
		"from":     func() error { _, err := pids(l.From(t.Context(), logs.Position{})); return err },
	} {
		t.Run(name, func(t *testing.T) {
			check(t, read())
			for _, name := range []string{"wtmp", "wtmp.1"} {
				info, err := w.System().Lookup(w.Path(name))
				check(t, err)
				if !info.Accessed.Equal(at) {
					t.Errorf("%s: accessed %v, want %v", name, info.Accessed, at)
				}
			}
		})
	}
}
