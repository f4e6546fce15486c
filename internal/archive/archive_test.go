// SPDX-License-Identifier: BSD-2-Clause

package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/leaktest"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// records are n logins, in a layout.
func records(t *testing.T, l *utmpx.Layout, n int) []byte {
	t.Helper()
	var b []byte
	for i := range n {
		p, err := l.Encode(utmpx.Record{Type: utmpx.UserProcess, PID: int32(i + 1), Line: "pts/0", ID: "ts/0", User: "alice", Time: utmpx.Time{Sec: 1_780_000_000 + int64(i), Usec: 5}})
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, p...)
	}
	return b
}

func compressed(t *testing.T, how string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch how {
	case "plain":
		return b
	case "gz":
		w = gzip.NewWriter(&out)
	case "xz":
		w, err = xz.NewWriter(&out)
	case "zst":
		w, err = zstd.NewWriter(&out)
	case "bz2":
		cmd := exec.Command("bzip2", "-c")
		cmd.Stdin, cmd.Stdout = bytes.NewReader(b), &out
		if err := cmd.Run(); err != nil {
			t.Skipf("no bzip2 to make a file with: %v", err)
		}
		return out.Bytes()
	}
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// scan returns the pids of a file's records.
func scan(t *testing.T, name string, open func(string) (*File, error)) ([]int32, error) {
	t.Helper()
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	var pids []int32
	err = f.Scan(t.Context(), func(l *utmpx.Layout, record []byte) {
		pids = append(pids, l.Decode(string(record)).PID)
	})
	return pids, errors.Join(err, f.Close())
}

func upTo(n int) (pids []int32) {
	for i := range n {
		pids = append(pids, int32(i+1))
	}
	return pids
}

func TestScan(t *testing.T) {
	for _, how := range []string{"plain", "gz", "xz", "zst", "bz2"} {
		for _, n := range []int{0, 1, blockRecords, 3*blockRecords + 7} {
			for _, l := range []*utmpx.Layout{utmpx.Native(), utmpx.Illumos372BE} {
				t.Run(how+"/"+l.Name(), func(t *testing.T) {
					name := filepath.Join(t.TempDir(), "wtmp.1") // the name tells nothing
					data := append(records(t, l, n), 7, 0, 0)[:n*l.Size()+min(n, 3)]
					if err := os.WriteFile(name, compressed(t, how, data), 0o600); err != nil {
						t.Fatal(err)
					}
					for _, open := range []func(string) (*File, error){Open, OpenOwn} {
						got, err := scan(t, name, open)
						if diff := cmp.Diff(upTo(n), got); diff != "" || err != nil {
							t.Errorf("%d records: %v (-want +got)\n%s", n, err, diff)
						}
					}
				})
			}
		}
	}
}

// TestCutShort: what a broken file still tells is given before the error.
func TestCutShort(t *testing.T) {
	for _, how := range []string{"gz", "xz", "zst"} {
		name := filepath.Join(t.TempDir(), "wtmp")
		whole := compressed(t, how, records(t, utmpx.Native(), 5000))
		if err := os.WriteFile(name, whole[:len(whole)*3/4], 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := scan(t, name, Open)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", how, err)
		}
		if diff := cmp.Diff(upTo(len(got)), got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", how, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if err := os.WriteFile(good, records(t, utmpx.Native(), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		make func(path string) error
		want error
	}{
		{"missing", func(string) error { return nil }, fs.ErrNotExist},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, sysfile.ErrNotRegular},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }, sysfile.ErrNotRegular},
		{"compress", func(p string) error { return os.WriteFile(p, []byte("\x1f\x9d\x90abcdef"), 0o600) }, ErrFormat},
		{"words", func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("words "), 500), 0o600) }, recfile.ErrLayout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, tt.name)
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			for _, open := range []func(string) (*File, error){Open, OpenOwn} {
				if _, err := scan(t, path, open); !errors.Is(err, tt.want) || strings.Count(err.Error(), path) != 1 {
					t.Errorf("error %v, want %v with the path, once", err, tt.want)
				}
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	name := filepath.Join(t.TempDir(), "wtmp")
	if err := os.WriteFile(name, records(t, utmpx.Native(), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Scan(ctx, func(*utmpx.Layout, []byte) { t.Error("a record") }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
