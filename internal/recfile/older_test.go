// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/recfile"
)

func TestRotated(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		for i, name := range []string{"wtmp.3.gz", "wtmp.2.gz", "wtmp.2", "wtmp-20260701.xz", "wtmp.1", "wtmp"} {
			w.Write(t, name, raw(t, layout, sess("pts/0", int64(i))))
			w.SetTime(t, name, time.Unix(1_780_000_000+int64(i)*1000, 0))
		}
		for _, name := range []string{"wtmp.bak", "wtmp.gz", "wtmpx.1", "btmp.1", "wtmp.1.tar"} {
			w.Write(t, name, nil)
		}
		names, err := recfile.NewLog(w.Path("wtmp"), recfile.Options{System: w.System()}).Rotated()
		check(t, err)
		for i := range names {
			names[i] = filepath.Base(names[i])
		}
		if diff := cmp.Diff([]string{"wtmp.3.gz", "wtmp.2", "wtmp-20260701.xz", "wtmp.1"}, names); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
