// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// journal is a log that grows, and what reads it.
type journal struct {
	t    *testing.T
	dir  string
	n    int // records so far
	wtmp string
}

func newJournal(t *testing.T) *journal {
	j := &journal{t: t, dir: t.TempDir()}
	j.wtmp = filepath.Join(j.dir, "wtmp")
	j.write(j.wtmp, nil)
	return j
}

func (j *journal) check(err error) {
	j.t.Helper()
	if err != nil {
		j.t.Fatal(err)
	}
}

func (j *journal) write(name string, b []byte) {
	j.t.Helper()
	j.check(os.WriteFile(name, b, 0o600))
}

// grow appends a record: logins and logouts of one line in turn, each an event.
func (j *journal) grow() {
	j.t.Helper()
	r := login("pts/0", int32(1000+j.n/2), "08:00")
	r.Time = utmpx.TimeOf(at("08:00").Add(time.Duration(j.n) * time.Second))
	if j.n%2 == 1 {
		r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
	}
	j.n++
	f, err := os.OpenFile(j.wtmp, os.O_WRONLY|os.O_APPEND, 0)
	j.check(err)
	defer f.Close()
	_, err = f.Write(encode(j.t, r))
	j.check(err)
}

// rename rotates the log as logrotate does, and copy as its copytruncate does.
func (j *journal) rename(name string) {
	j.check(os.Rename(j.wtmp, filepath.Join(j.dir, name)))
	j.write(j.wtmp, nil)
}

func (j *journal) copy(name string) {
	b, err := os.ReadFile(j.wtmp)
	j.check(err)
	j.write(filepath.Join(j.dir, name), b)
	j.check(os.Truncate(j.wtmp, 0))
}

// compress compresses a rotated file, which keeps its time.
func (j *journal) compress(name string) {
	name = filepath.Join(j.dir, name)
	info, err := os.Stat(name)
	j.check(err)
	b, err := os.ReadFile(name)
	j.check(err)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err = w.Write(b)
	j.check(err)
	j.check(w.Close())
	j.write(name+".gz", z.Bytes())
	j.check(os.Chtimes(name+".gz", info.ModTime(), info.ModTime()))
	j.check(os.Remove(name))
}

// reader is a utmpctl at work, whose output is a pipe.
type reader struct {
	t      *testing.T
	cmd    *exec.Cmd
	pipe   *os.File
	lines  *bufio.Reader
	stderr bytes.Buffer
}

func (j *journal) start(args ...string) *reader {
	j.t.Helper()
	out, in, err := os.Pipe()
	j.check(err)
	r := &reader{t: j.t, cmd: exec.Command("utmpctl", args...), pipe: out, lines: bufio.NewReader(out)}
	r.cmd.Stdout, r.cmd.Stderr = in, &r.stderr
	j.check(r.cmd.Start())
	j.check(in.Close())
	j.t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		out.Close()
	})
	return r
}

// end sends a signal and waits. It returns the exit status, and what is left in the pipe.
func (r *reader) end(sig os.Signal) (code int, rest string) {
	r.t.Helper()
	_ = r.cmd.Process.Signal(sig)
	_ = r.cmd.Wait()
	b, err := io.ReadAll(r.lines)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode(), string(b)
}

// next returns the next event.
func (r *reader) next() event {
	r.t.Helper()
	_ = r.pipe.SetReadDeadline(time.Now().Add(time.Minute))
	line, err := r.lines.ReadString('\n')
	if err != nil {
		r.t.Fatalf("%v; stderr: %s", err, r.stderr.String())
	}
	return parsed(r.t, line)
}

type event struct {
	ID      string
	Event   string
	Session any
	PID     int
	Login   time.Time `json:"login_time"`
	Time    time.Time
}

func parsed(t *testing.T, line string) (e event) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	return e
}

// is checks that an event is that of the n-th record.
func (j *journal) is(e event, n int) {
	j.t.Helper()
	want := []string{"login", "logout"}[n%2]
	if at := at("08:00").Add(time.Duration(n) * time.Second); e.Event != want || !e.Time.Equal(at) || e.PID != 1000+n/2 || e.Session == nil {
		j.t.Fatalf("%+v, want the %s of record %d", e, want, n)
	}
}

// TestEventsFollow: each event comes once, as its record is written, across all that happens
// to logs, and across a stop of the command.
func TestEventsFollow(t *testing.T) {
	j := newJournal(t)
	cursor := filepath.Join(j.dir, "cursor")
	j.grow()
	args := []string{"events", "-json", "-follow", "-f", j.wtmp, "-cursor", cursor, "-since", "2026-01-01"}
	ids := map[string]bool{}
	n := 0
	catchUp := func(r *reader) {
		t.Helper()
		for ; n < j.n; n++ {
			e := r.next()
			j.is(e, n)
			if ids[e.ID] {
				t.Fatalf("a second event with the ID %s", e.ID)
			}
			ids[e.ID] = true
		}
	}
	for round := range 3 {
		name := func(kind string) string { return fmt.Sprintf("wtmp-2026010%d%s", round, kind) }
		r := j.start(args...)
		catchUp(r)
		j.grow()
		catchUp(r)
		j.rename(name("1"))
		j.grow()
		catchUp(r)
		j.grow()
		j.copy(name("2"))
		j.grow()
		catchUp(r)
		j.compress(name("1"))
		j.grow()
		j.grow()
		catchUp(r)
		code, rest := r.end(syscall.SIGTERM)
		if code != 0 || rest != "" || r.stderr.Len() > 0 {
			t.Fatalf("status %d, stdout %q, stderr %q", code, rest, r.stderr.String())
		}
		// And while it does not run.
		j.grow()
		j.rename(name("3"))
		j.grow()
		j.compress(name("3"))
		j.grow()
		j.copy(name("4"))
		j.grow()
	}
}

// TestEventsFromNow: without a cursor and -since, -follow tells what comes, with the logins
// from before.
func TestEventsFromNow(t *testing.T) {
	j := newJournal(t)
	j.grow()
	j.grow()
	j.grow()
	r := j.start("events", "-follow", "-f", j.wtmp)
	line := func() string {
		t.Helper()
		_ = r.pipe.SetReadDeadline(time.Now().Add(time.Minute))
		s, err := r.lines.ReadString('\n')
		j.check(err)
		return s
	}
	if got := line(); !strings.HasPrefix(got, "TIME (") { // which comes once what was there is read
		t.Fatalf("%q, want the heading", got)
	}
	j.grow()
	if got, want := line(), "logout    alice on pts/0, after 1s, from desk\n"; !strings.HasSuffix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestEventsReaderGone: a reader that goes away ends it quietly, and what it did not take
// comes again.
func TestEventsReaderGone(t *testing.T) {
	j := newJournal(t)
	cursor := filepath.Join(j.dir, "cursor")
	args := []string{"events", "-json", "-follow", "-f", j.wtmp, "-cursor", cursor, "-since", "2026-01-01"}
	j.grow()
	r := j.start(args...)
	j.is(r.next(), 0)
	r.pipe.Close() // which ends it, though nothing happens
	if err := r.cmd.Wait(); err != nil || r.stderr.Len() > 0 {
		t.Fatalf("%v, %s", err, r.stderr.String())
	}
	j.grow()
	r = j.start(args...)
	j.is(r.next(), 1)
}

// TestEventsSlowReader: whatever a reader has taken when the command is told to end, the
// next run goes on behind it: no event is lost, and none comes twice. Killed at any moment,
// none is lost.
func TestEventsSlowReader(t *testing.T) {
	j := newJournal(t)
	var b []byte
	for range 12_000 {
		r := login("pts/0", int32(1000+j.n/2), "08:00")
		r.Time = utmpx.TimeOf(at("08:00").Add(time.Duration(j.n) * time.Second))
		if j.n%2 == 1 {
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
		}
		j.n++
		b = append(b, encode(t, r)...)
	}
	j.write(j.wtmp, b)
	whole, err := exec.Command("utmpctl", "events", "-json", "-f", j.wtmp).Output()
	j.check(err)
	rng := rand.New(rand.NewPCG(3, 11))
	for _, c := range []struct {
		name  string
		sig   os.Signal
		least int // bytes to read: a run that is killed keeps the cursor after some records only
	}{
		{"told", syscall.SIGTERM, 0},
		{"killed", syscall.SIGKILL, 2_500_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			cursor := filepath.Join(t.TempDir(), "cursor")
			var got strings.Builder
			ended := false
			for round := 0; round < 40 && !ended; round++ {
				r := j.start("events", "-json", "-f", j.wtmp, "-cursor", cursor)
				// The pipe is as small as it can be: the next writes hang.
				_, _ = unix.FcntlInt(r.pipe.Fd(), setPipeSize, atomicWrite)
				n, err := io.CopyN(&got, r.lines, int64(c.least+rng.IntN(900_000)))
				ended = err == io.EOF
				code, rest := r.end(c.sig)
				got.WriteString(rest)
				if c.sig == syscall.SIGTERM && code != 0 || r.stderr.Len() > 0 {
					t.Fatalf("after %d bytes: status %d, stderr %q", n, code, r.stderr.String())
				}
			}
			text := got.String()
			if c.sig == syscall.SIGKILL {
				text = once(text)
			}
			if text != string(whole) {
				t.Errorf("%d bytes, want %d", len(text), len(whole))
			}
		})
	}
}

// setPipeSize is F_SETPIPE_SZ of Linux.
const setPipeSize = 1031

// once leaves out lines that were before.
func once(text string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if !seen[line] {
			b.WriteString(line)
		}
		seen[line] = true
	}
	return b.String()
}

// TestDumpFollow: dump prints what is there, and each record as it is written.
func TestDumpFollow(t *testing.T) {
	j := newJournal(t)
	j.grow()
	r := j.start("dump", "-f", j.wtmp)
	n := 0
	next := func() {
		t.Helper()
		for ; n < j.n; n++ {
			if e := r.next(); e.PID != 1000+n/2 {
				t.Fatalf("%+v, want record %d", e, n)
			}
		}
	}
	next()
	j.grow()
	next()
	j.rename("wtmp.1")
	j.grow()
	next()
	j.grow()
	j.copy("wtmp-20260101")
	j.grow()
	next()
	code, rest := r.end(syscall.SIGTERM)
	if diff := cmp.Diff([]any{0, "", ""}, []any{code, rest, r.stderr.String()}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestEventsCursorBeforeTorn: the place that is kept is that of the last record which was
// read, whatever was read into its memory since: here a part of a record.
func TestEventsCursorBeforeTorn(t *testing.T) {
	j := newJournal(t)
	j.grow()
	j.rename("wtmp.1")
	j.write(j.wtmp, bytes.Repeat([]byte("x"), 300))
	args := []string{"events", "-json", "-f", j.wtmp, "-cursor", filepath.Join(j.dir, "cursor")}
	j.is(parsed(t, string(ran(t, args...))), 0)
	j.write(j.wtmp, nil)
	j.grow()
	j.is(parsed(t, strings.TrimSpace(string(ran(t, args...)))), 1)
}

// TestEventsCursor: whatever happens to the log between two runs, as long as no record is
// lost, each event is printed once.
func TestEventsCursor(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 12))
		j := newJournal(t)
		j.grow()
		cursor := filepath.Join(j.dir, "cursor")
		told := 0
		ids := map[string]bool{}
		files := []string{} // rotated and plain
		for step := range 40 {
			name := fmt.Sprintf("wtmp-202601%02d", step)
			switch k := rng.IntN(8); {
			case k < 3:
				for range rng.IntN(4) {
					j.grow()
				}
			case k == 3:
				j.rename(name)
				files = append(files, name)
			case k == 4:
				j.copy(name)
				files = append(files, name)
			case k == 5 && len(files) > 0:
				j.compress(files[0])
				files = files[1:]
			}
			if rng.IntN(3) == 0 {
				continue
			}
			for line := range strings.Lines(string(ran(t, "events", "-json", "-f", j.wtmp, "-cursor", cursor))) {
				e := parsed(t, line)
				if j.is(e, told); ids[e.ID] {
					t.Fatalf("a second event with the ID %s", e.ID)
				}
				ids[e.ID] = true
				told++
			}
			if told != j.n {
				t.Fatalf("seed %d, step %d: %d events of %d records", seed, step, told, j.n)
			}
		}
	}
}
