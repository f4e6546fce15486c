// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/leaktest"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// world is where a test's files are: the kernel's, or a simulated system's.
type world interface {
	System() sysfile.System
	Path(name string) string
	Write(t *testing.T, name string, data []byte)            // a new file
	Change(t *testing.T, name string, f func([]byte) []byte) // the same file
	Read(t *testing.T, name string) []byte
	Rename(t *testing.T, from, to string)
	SetTime(t *testing.T, name string, modified time.Time)
}

// both runs a test in both worlds.
func both(t *testing.T, f func(t *testing.T, w world)) {
	t.Run("kernel", func(t *testing.T) { f(t, kernelWorld{t.TempDir()}) })
	t.Run("simulated", func(t *testing.T) { f(t, simWorld{simfile.New()}) })
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// openLog names the log of a world.
func openLog(w world) *Log {
	return New(w.Path("wtmp"), recfile.Options{System: w.System(), Layout: layout})
}

// read returns the logins that are open now.
func read(t *testing.T, l *Log) *Logins {
	t.Helper()
	logins, err := l.Read(t.Context())
	check(t, err)
	return logins
}

// wantOpen checks which process's login is open on a line; 0: none is.
func wantOpen(t *testing.T, logins *Logins, line string, pid int32) {
	t.Helper()
	if login, ok := logins.On(line); login.PID != pid || ok != (pid != 0) {
		t.Errorf("%s: open is %v, %v, want pid %d", line, login, ok, pid)
	}
}

// texts returns the records of a file.
func texts(t *testing.T, w world, name string) (out []string) {
	t.Helper()
	for data := string(w.Read(t, name)); data != ""; data = data[layout.Size():] {
		out = append(out, layout.Decode(data[:layout.Size()]).String())
	}
	return out
}

func strs(recs ...utmpx.Record) (out []string) {
	for _, r := range recs {
		out = append(out, r.String())
	}
	return out
}

type kernelWorld struct{ dir string }

func (w kernelWorld) System() sysfile.System  { return sysfile.Kernel() }
func (w kernelWorld) Path(name string) string { return filepath.Join(w.dir, name) }

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

func (w kernelWorld) SetTime(t *testing.T, name string, modified time.Time) {
	t.Helper()
	check(t, os.Chtimes(w.Path(name), modified, modified))
}

type simWorld struct{ s *simfile.System }

func (w simWorld) System() sysfile.System                       { return w.s }
func (w simWorld) Path(name string) string                      { return "/sim/" + name }
func (w simWorld) Write(_ *testing.T, name string, data []byte) { w.s.WriteFile(w.Path(name), data) }
func (w simWorld) Read(_ *testing.T, name string) []byte        { return w.s.ReadFile(w.Path(name)) }
func (w simWorld) Change(_ *testing.T, name string, f func([]byte) []byte) {
	w.s.Change(w.Path(name), f)
}
func (w simWorld) Rename(_ *testing.T, from, to string) { w.s.Rename(w.Path(from), w.Path(to)) }
func (w simWorld) SetTime(_ *testing.T, name string, modified time.Time) {
	w.s.SetTime(w.Path(name), modified)
}

// sess is a login on a line, at second n.
func sess(line string, n int64) utmpx.Record {
	return utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(1000 + n), Line: line, ID: line[max(0, len(line)-4):],
		User: "alice", Host: "10.0.0.7", Time: utmpx.Time{Sec: epoch + n, Usec: max(0, n) % 1_000_000},
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
