// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/simfile"
)

func names(files []logs.FileInfo) (got []string) {
	for _, f := range files {
		name := filepath.Base(f.Name)
		if f.Compressed {
			name += " (compressed)"
		}
		got = append(got, name)
	}
	return got
}

func TestFiles(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		for i, name := range []string{"wtmp.3.gz", "wtmp.2.gz", "wtmp.2", "wtmp-20260701.xz", "wtmp.1", "wtmp"} {
			w.Write(t, name, raw(t, layout, login("pts/0", int64(i))))
			w.SetTime(t, name, time.Unix(epoch+int64(i)*1000, 0))
		}
		for _, name := range []string{"wtmp.bak", "wtmp.gz", "wtmpx.1", "btmp.1", "wtmp.1.tar"} {
			w.Write(t, name, nil)
		}
		l := openLog(w)
		files, err := l.Files(t.Context())
		check(t, err)
		want := []string{"wtmp.3.gz (compressed)", "wtmp.2", "wtmp-20260701.xz (compressed)", "wtmp.1", "wtmp"}
		if diff := cmp.Diff(want, names(files)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		again, err := l.Files(t.Context())
		check(t, err)
		w.Change(t, "wtmp.1", func(b []byte) []byte { return b[:0] })
		w.Rename(t, "wtmp-20260701.xz", "wtmp-20260702.xz")
		changed, err := l.Files(t.Context())
		check(t, err)
		find := func(files []logs.FileInfo, name string) logs.FileInfo {
			for _, f := range files {
				if filepath.Base(f.Name) == name {
					return f
				}
			}
			t.Fatalf("no %s in %q", name, names(files))
			return logs.FileInfo{}
		}
		for name, same := range map[string]bool{"wtmp.2": true, "wtmp.1": false, "wtmp": true} {
			if !find(files, name).Same(find(again, name)) || find(files, name).Same(find(changed, name)) != same {
				t.Errorf("%s: the same %v, want %v", name, !same, same)
			}
		}
		w.Remove(t, "wtmp")
		files, err = l.Files(t.Context())
		check(t, err)
		if n := len(files); n != 4 {
			t.Errorf("without the present file: %q", names(files))
		}
	})
}

// TestFilesOfOneSecond: the numbers decide where the times are equal.
func TestFilesOfOneSecond(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		for _, name := range []string{"wtmp.1", "wtmp.10", "wtmp.2", "wtmp"} {
			w.Write(t, name, nil)
			w.SetTime(t, name, time.Unix(epoch, 0))
		}
		files, err := openLog(w).Files(t.Context())
		check(t, err)
		if diff := cmp.Diff([]string{"wtmp.10", "wtmp.2", "wtmp.1", "wtmp"}, names(files)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestFilesWithoutDirectory(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp", nil)
	w.s.Inject(func(op simfile.Op) *simfile.Fault {
		if op.Call == simfile.List {
			return &simfile.Fault{Err: fs.ErrPermission}
		}
		return nil
	})
	files, err := openLog(w).Files(t.Context())
	if !errors.Is(err, fs.ErrPermission) || len(files) != 1 {
		t.Errorf("%q, %v", names(files), err)
	}
}
