// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// world is where a test of conformance plays: the kernel's files, or simulated ones.
type world interface {
	System() sysfile.System
	Path(name string) string
	Write(t *testing.T, name string, data []byte)                         // a new file
	Change(t *testing.T, name string, f func([]byte) []byte)              // of the same file
	Read(t *testing.T, name string) []byte                                // "" for none
	Rename(t *testing.T, from, to string)                                 //
	Special(t *testing.T, name string, mode fs.FileMode)                  // directory or FIFO
	Symlink(t *testing.T, to, name string, uid uint32)                    //
	SetTime(t *testing.T, name string, modified time.Time)                //
	Lock(t *testing.T, name string, read bool) (pid int32, unlock func()) // of another process
	Waiting(name string) int                                              // for the lock
}

// both runs a test in both worlds.
func both(t *testing.T, f func(t *testing.T, w world)) {
	t.Run("kernel", func(t *testing.T) { f(t, kernelWorld{t.TempDir()}) })
	t.Run("simulated", func(t *testing.T) { f(t, simWorld{simfile.New()}) })
}

type kernelWorld struct{ dir string }

func (w kernelWorld) System() sysfile.System  { return sysfile.Kernel() }
func (w kernelWorld) Path(name string) string { return filepath.Join(w.dir, name) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w kernelWorld) Write(t *testing.T, name string, data []byte) {
	t.Helper()
	check(t, os.WriteFile(w.Path(name)+".new", data, 0o600))
	check(t, os.Rename(w.Path(name)+".new", w.Path(name)))
}

func (w kernelWorld) Change(t *testing.T, name string, f func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(w.Path(name))
	check(t, err)
	check(t, os.WriteFile(w.Path(name), f(data), 0o600))
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

func (w kernelWorld) Special(t *testing.T, name string, mode fs.FileMode) {
	t.Helper()
	if mode.IsDir() {
		check(t, os.Mkdir(w.Path(name), 0o700))
		return
	}
	mkfifo(t, w.Path(name))
}

func (w kernelWorld) Symlink(t *testing.T, to, name string, uid uint32) {
	t.Helper()
	check(t, os.Symlink(to, w.Path(name)))
	if os.Getuid() == 0 {
		check(t, os.Lchown(w.Path(name), int(uid), -1))
	}
}

func (w kernelWorld) SetTime(t *testing.T, name string, modified time.Time) {
	t.Helper()
	check(t, os.Chtimes(w.Path(name), modified, modified))
}

func (w kernelWorld) Lock(t *testing.T, name string, read bool) (int32, func()) {
	t.Helper()
	return lockProcess(t, w.Path(name), read)
}

func (w kernelWorld) Waiting(string) int { return -1 }

type simWorld struct{ s *simfile.System }

func (w simWorld) System() sysfile.System                       { return w.s }
func (w simWorld) Path(name string) string                      { return "/sim/" + name }
func (w simWorld) Write(_ *testing.T, name string, data []byte) { w.s.WriteFile(w.Path(name), data) }
func (w simWorld) Read(_ *testing.T, name string) []byte        { return w.s.ReadFile(w.Path(name)) }
func (w simWorld) Change(_ *testing.T, name string, f func([]byte) []byte) {
	w.s.Change(w.Path(name), f)
}
func (w simWorld) Rename(_ *testing.T, from, to string) { w.s.Rename(w.Path(from), w.Path(to)) }
func (w simWorld) Special(_ *testing.T, name string, mode fs.FileMode) {
	w.s.Special(w.Path(name), mode)
}
func (w simWorld) Symlink(_ *testing.T, to, name string, uid uint32) {
	w.s.Symlink(to, w.Path(name), uid)
}
func (w simWorld) SetTime(_ *testing.T, name string, modified time.Time) {
	w.s.SetTime(w.Path(name), modified)
}
func (w simWorld) Waiting(name string) int { return w.s.Waiting(w.Path(name)) }

func (w simWorld) Lock(t *testing.T, name string, read bool) (int32, func()) {
	t.Helper()
	const pid = 4242
	h, err := w.s.As(pid).Open(w.Path(name), sysfile.ReadWrite)
	check(t, err)
	kind := sysfile.WriteLock
	if read {
		kind = sysfile.ReadLock
	}
	check(t, h.Lock(kind))
	done := false
	return pid, func() {
		if !done {
			done = true
			h.Close()
		}
	}
}

// sess is a login on a line, at second n.
func sess(line string, n int64) utmpx.Record {
	return utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(1000 + n), Line: line, ID: line[max(0, len(line)-4):],
		User: "alice", Host: "10.0.0.7", Time: utmpx.Time{Sec: epoch + n, Usec: n % 1_000_000},
	}
}

// dead is the logout from a line.
func dead(line string, n int64) utmpx.Record {
	r := sess(line, n)
	r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
	return r
}

func boot(n int64) utmpx.Record {
	return utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12.0", Time: utmpx.Time{Sec: epoch + n}}
}

// epoch is second 0 of the tests.
const epoch = 1_780_000_000

// raw encodes records.
func raw(t testing.TB, l *utmpx.Layout, recs ...utmpx.Record) []byte {
	t.Helper()
	var out []byte
	for _, r := range recs {
		b, err := l.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

var layout = utmpx.Glibc384LE
