// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"utmpd.dev/utmpd/internal/leaktest"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// world is where a test's files are: the kernel's, or a simulated system's.
type world interface {
	System() sysfile.System
	Path(name string) string
	Write(t *testing.T, name string, data []byte) // a new file
	Append(t *testing.T, name string, data []byte)
	Change(t *testing.T, name string, f func([]byte) []byte) // the same file
	Read(t *testing.T, name string) []byte
	Rename(t *testing.T, from, to string)
	Remove(t *testing.T, name string)
	SetTime(t *testing.T, name string, modified time.Time)
}

// both runs a test in both worlds, and in the kernel's with records that are reused.
func both(t *testing.T, f func(t *testing.T, w world)) {
	t.Run("kernel", func(t *testing.T) { f(t, kernelWorld{t.TempDir()}) })
	t.Run("reused", func(t *testing.T) { f(t, reusedWorld{kernelWorld{t.TempDir()}}) })
	t.Run("simulated", func(t *testing.T) { f(t, simWorld{simfile.New()}) })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type kernelWorld struct{ dir string }

func (w kernelWorld) System() sysfile.System  { return sysfile.Kernel() }
func (w kernelWorld) Path(name string) string { return filepath.Join(w.dir, name) }

func (w kernelWorld) Write(t *testing.T, name string, data []byte) {
	t.Helper()
	check(t, os.WriteFile(w.Path(name)+".new", data, 0o600))
	check(t, os.Rename(w.Path(name)+".new", w.Path(name)))
}

func (w kernelWorld) Append(t *testing.T, name string, data []byte) {
	t.Helper()
	f, err := os.OpenFile(w.Path(name), os.O_WRONLY|os.O_APPEND, 0)
	check(t, err)
	_, err = f.Write(data)
	check(t, err)
	check(t, f.Close())
}

func (w kernelWorld) Change(t *testing.T, name string, f func([]byte) []byte) {
	t.Helper()
	check(t, os.WriteFile(w.Path(name), f(w.Read(t, name)), 0o600))
}

func (w kernelWorld) Read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(w.Path(name))
	check(t, err)
	return data
}

func (w kernelWorld) Rename(t *testing.T, from, to string) {
	t.Helper()
	check(t, os.Rename(w.Path(from), w.Path(to)))
}

func (w kernelWorld) Remove(t *testing.T, name string) {
	t.Helper()
	check(t, os.Remove(w.Path(name)))
}

func (w kernelWorld) SetTime(t *testing.T, name string, modified time.Time) {
	t.Helper()
	check(t, os.Chtimes(w.Path(name), modified, modified))
}

type simWorld struct{ s *simfile.System }

func (w simWorld) System() sysfile.System                       { return w.s }
func (w simWorld) Path(name string) string                      { return "/sim/" + name }
func (w simWorld) Write(_ *testing.T, name string, data []byte) { w.s.WriteFile(w.Path(name), data) }
func (w simWorld) Read(_ *testing.T, name string) []byte        { return w.s.ReadFile(w.Path(name)) }
func (w simWorld) Rename(_ *testing.T, from, to string)         { w.s.Rename(w.Path(from), w.Path(to)) }
func (w simWorld) Remove(_ *testing.T, name string)             { w.s.Remove(w.Path(name)) }
func (w simWorld) Append(_ *testing.T, name string, data []byte) {
	w.s.Change(w.Path(name), func(b []byte) []byte { return append(b, data...) })
}
func (w simWorld) Change(_ *testing.T, name string, f func([]byte) []byte) {
	w.s.Change(w.Path(name), f)
}
func (w simWorld) SetTime(_ *testing.T, name string, modified time.Time) {
	w.s.SetTime(w.Path(name), modified)
}

var layout = utmpx.Glibc384LE

// epoch is second 0 of the tests.
const epoch = 1_780_000_000

func openLog(w world) *logs.Log {
	if _, reused := w.(reusedWorld); reused {
		return reusing(w)
	}
	return logs.New(w.Path("wtmp"), logs.Options{System: w.System(), Layout: layout})
}

// reusedWorld is the kernel's, where all records of an iteration share one block of memory.
type reusedWorld struct{ kernelWorld }

// login is a login on a line, at second n.
func login(line string, n int64) utmpx.Record {
	return utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(1000 + n), Line: line, ID: line[max(0, len(line)-4):],
		User: "alice", Host: "10.0.0.7", Time: utmpx.Time{Sec: epoch + n, Usec: max(0, n) % 1_000_000},
	}
}

// raw encodes records.
func raw(t testing.TB, l *utmpx.Layout, recs ...utmpx.Record) []byte {
	t.Helper()
	var out []byte
	for _, r := range recs {
		b, err := l.Encode(r)
		check(t, err)
		out = append(out, b...)
	}
	return out
}

// numbered returns n logins; the PID of the first is 1001.
func numbered(n int) (recs []utmpx.Record) {
	for i := range n {
		recs = append(recs, login("pts/0", int64(i+1)))
	}
	return recs
}

// compressed compresses b by the program or library of that ending.
func compressed(t testing.TB, how string, b []byte) []byte {
	t.Helper()
	key := [2]string{how, string(b)}
	if have, ok := asCompressed.Load(key); ok {
		return slices.Clone(have.([]byte))
	}
	out := compress(t, how, b)
	asCompressed.Store(key, slices.Clone(out))
	return out
}

// asCompressed has what was compressed before: a test that does the same thousands of times
// would take most of its time for it, and with the race detector minutes.
var asCompressed sync.Map

// compress is compressed, without that memory.
func compress(t testing.TB, how string, b []byte) []byte {
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
	check(t, err)
	_, err = w.Write(b)
	check(t, err)
	check(t, w.Close())
	return out.Bytes()
}
