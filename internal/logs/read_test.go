// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// pids returns the pids of the records, and the first error.
func pids(seq func(func(logs.Entry, error) bool)) (got []int32, err error) {
	for e, e2 := range seq {
		if e2 != nil {
			err = e2
			break
		}
		got = append(got, e.PID)
	}
	return got, err
}

func pidsRaw(f *logs.File, from int64) (got []int32, err error) {
	for b, e2 := range f.Raw(from) {
		if e2 != nil {
			err = e2
			break
		}
		got = append(got, b.Decode().PID)
	}
	return got, err
}

func upTo(n int) (want []int32) {
	for i := range n {
		want = append(want, int32(1001+i))
	}
	return want
}

func reversed(s []int32) []int32 {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

// TestRead reads files of all compressions and some lengths, in every way.
func TestRead(t *testing.T) {
	for _, how := range []string{"plain", "gz", "xz", "zst", "bz2"} {
		lengths := []int{0, 1, 3*512 + 7}
		if how == "plain" {
			lengths = []int{0, 1, 511, 512, 513, 3*512 + 7}
		}
		if how == "gz" {
			lengths = append(lengths, 34*512) // more than one tail
		}
		for _, n := range lengths {
			for _, l := range []*utmpx.Layout{utmpx.Glibc384LE, utmpx.Illumos372BE} {
				t.Run(fmt.Sprintf("%s/%d/%s", how, n, l), func(t *testing.T) {
					if how == "plain" || how == "gz" {
						testRead(t, kernelWorld{t.TempDir()}, how, n, l)
					}
					testRead(t, simWorld{simfile.New()}, how, n, l)
				})
			}
		}
	}
}

func testRead(t *testing.T, w world, how string, n int, l *utmpx.Layout) {
	data := append(raw(t, l, numbered(n)...), 7, 0, 0)[:n*l.Size()+min(n, 3)] // and a torn record
	w.Write(t, "wtmp.1", compressed(t, how, data))                            // the name tells nothing
	log := openLog(w)
	f, err := log.Open(t.Context(), w.Path("wtmp.1"))
	check(t, err)
	defer f.Close()
	size := int64(l.Size())
	end := int64(n) * size
	if how == "plain" && f.End() != end || how != "plain" && f.End() != -1 || f.Compressed() != (how != "plain") {
		t.Errorf("end %d, compressed %v", f.End(), f.Compressed())
	}
	want := upTo(n)
	for _, k := range []int{0, min(1, n), n / 2, n} {
		readAt(t, f, k, want)
	}
	got, err := pids(f.Reuse().Backward(-1))
	if diff := differ(reversed(want), got); diff != "" || err != nil {
		t.Errorf("backward: %v (-want +got)\n%s", err, diff)
	}
	off := int64(0)
	for e, err := range f.Forward(0) {
		check(t, err)
		if e.Offset != off || e.Generation != f.Generation() {
			t.Fatalf("%v at %d of %v, want %d", e.Record, e.Offset, e.Generation, off)
		}
		off += size
	}
	for range f.Forward(0) {
		break // what a loop leaves open is counted at the end
	}
	for range f.Backward(-1) {
		break
	}
}

// readAt reads a file from its record k on, and before it.
func readAt(t *testing.T, f *logs.File, k int, want []int32) {
	t.Helper()
	from := int64(k) * int64(f.Layout().Size())
	got, err := pids(f.Forward(from))
	if diff := differ(want[k:], got); diff != "" || err != nil {
		t.Errorf("forward from %d: %v (-want +got)\n%s", k, err, diff)
	}
	got, err = pidsRaw(f, from)
	if diff := differ(want[k:], got); diff != "" || err != nil {
		t.Errorf("raw from %d: %v (-want +got)\n%s", k, err, diff)
	}
	got, err = pids(f.Backward(from))
	if diff := differ(reversed(want[:k]), got); diff != "" || err != nil {
		t.Errorf("backward from %d: %v (-want +got)\n%s", k, err, diff)
	}
}

// differ is cmp.Diff, which takes long to find thousands of numbers equal.
func differ(want, got []int32) string {
	if slices.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// TestKept: records that are kept stay as they were read, unless the reader has
// said that it keeps none.
func TestKept(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp", raw(t, layout, numbered(2000)...))
		// In the world where they are reused, too: it is the log's options that say so.
		f, err := logs.New(w.Path("wtmp"), logs.Options{System: w.System()}).Open(t.Context(), w.Path("wtmp"))
		check(t, err)
		defer f.Close()
		var kept []logs.Entry
		for e, err := range f.Forward(0) {
			check(t, err)
			kept = append(kept, e)
		}
		for range f.Raw(0) {
			continue // whose memory is its own
		}
		for i, e := range kept {
			if want := string(raw(t, layout, login("pts/0", int64(i+1)))); e.Raw() != want {
				t.Fatalf("record %d is %v", i, e.Record)
			}
		}
		allocated := testing.AllocsPerRun(1, func() {
			f.Reuse()
			for range f.Forward(0) {
				continue
			}
		})
		if allocated > 20 {
			t.Errorf("%v allocations for 2000 records", allocated)
		}
	})
}

// TestDamaged: the records before the damage come first, then an error that names
// the file.
func TestDamaged(t *testing.T) {
	for _, how := range []string{"gz", "xz", "zst"} {
		t.Run(how, func(t *testing.T) {
			w := kernelWorld{t.TempDir()}
			data := compressed(t, how, raw(t, layout, numbered(12_000)...))
			w.Write(t, "wtmp.1", data[:len(data)*3/4])
			f, err := openLog(w).Open(t.Context(), w.Path("wtmp.1"))
			check(t, err)
			defer f.Close()
			got, err := pids(f.Forward(0))
			if diff := differ(upTo(len(got)), got); diff != "" || len(got) == 0 || err == nil || !strings.Contains(err.Error(), w.Path("wtmp.1")) {
				t.Errorf("forward: %d records, %v (-want +got)\n%s", len(got), err, diff)
			}
			back, err := pids(f.Backward(-1))
			if diff := differ(reversed(got), back); diff != "" || err == nil {
				t.Errorf("backward: %v (-forward +backward)\n%s", err, diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name string
		make func(path string) error
		want error
	}{
		{"missing", func(string) error { return nil }, fs.ErrNotExist},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, sysfile.ErrNotRegular},
		{"pipe", func(p string) error { return unix.Mkfifo(p, 0o600) }, sysfile.ErrNotRegular},
		{"compress.Z", func(p string) error { return os.WriteFile(p, []byte("\x1f\x9d\x90abcdef"), 0o600) }, logs.ErrCompression},
		{"words", func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("words "), 500), 0o600) }, recfile.ErrLayout},
		{"words.gz", func(p string) error {
			return os.WriteFile(p, compressed(t, "gz", bytes.Repeat([]byte("words "), 500)), 0o600)
		}, recfile.ErrLayout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, tt.name)
			check(t, tt.make(path))
			f, err := logs.New(path, logs.Options{}).Open(t.Context(), path)
			if f != nil || !errors.Is(err, tt.want) || strings.Count(err.Error(), path) != 1 {
				t.Errorf("error %v, want %v with the path, once", err, tt.want)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	for _, how := range []string{"plain", "gz"} {
		w := simWorld{simfile.New()}
		w.Write(t, "wtmp", compressed(t, how, raw(t, layout, numbered(3)...)))
		ctx, cancel := context.WithCancel(t.Context())
		f, err := openLog(w).Open(ctx, w.Path("wtmp"))
		check(t, err)
		defer f.Close()
		cancel()
		for name, seq := range map[string]func(func(logs.Entry, error) bool){"forward": f.Forward(0), "backward": f.Backward(-1)} {
			if got, err := pids(seq); len(got) > 0 || !errors.Is(err, context.Canceled) {
				t.Errorf("%s %s: %v, %v", how, name, got, err)
			}
		}
	}
}

// TestRefresh: what is appended is read once the file was looked at again.
func TestRefresh(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp", raw(t, layout, numbered(2)...))
		f, err := openLog(w).Open(t.Context(), w.Path("wtmp"))
		check(t, err)
		defer f.Close()
		from := f.End()
		w.Change(t, "wtmp", func(b []byte) []byte { return append(b, raw(t, layout, login("pts/9", 3))...) })
		if got, err := pids(f.Forward(from)); len(got) > 0 || err != nil {
			t.Errorf("before: %v, %v", got, err)
		}
		check(t, f.Refresh())
		if got, err := pids(f.Forward(from)); !slices.Equal(got, []int32{1003}) || err != nil {
			t.Errorf("after: %v, %v", got, err)
		}
	})
}

// TestWrap: an open handle is read, and stays open.
func TestWrap(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp", raw(t, layout, numbered(2)...))
		h, err := w.System().Open(w.Path("wtmp"), sysfile.AppendOnly)
		check(t, err)
		defer h.Close()
		f, err := openLog(w).Wrap(t.Context(), w.Path("wtmp"), h)
		check(t, err)
		got, err := pids(f.Forward(0))
		if !slices.Equal(got, upTo(2)) || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		check(t, f.Close())
		if _, err := h.Info(); err != nil {
			t.Error(err)
		}
	})
}

// TestMillionBackward counts the reads of a long log from its end to its
// beginning.
func TestMillionBackward(t *testing.T) {
	const n = 1_000_000
	s := &longLog{one: raw(t, layout, login("pts/0", 1)), n: n}
	f, err := logs.New("/wtmp", logs.Options{System: s, Layout: layout}).Open(t.Context(), "/wtmp")
	check(t, err)
	defer f.Close()
	count := 0
	for e, err := range f.Reuse().Backward(f.End()) {
		check(t, err)
		if e.Type == utmpx.UserProcess {
			count++
		}
	}
	if count != n || s.reads > n/500 {
		t.Errorf("%d records with %d reads", count, s.reads)
	}
}

// longLog is a system with one file that repeats a record, and counts its reads.
type longLog struct {
	sysfile.Handle
	one   []byte
	n     int64
	reads int
}

func (s *longLog) Open(string, sysfile.OpenMode) (sysfile.Handle, error) { return s, nil }
func (s *longLog) Lookup(string) (sysfile.Info, error)                   { return s.Info() }
func (s *longLog) List(string) ([]string, error)                         { return nil, nil }
func (s *longLog) Close() error                                          { return nil }

func (s *longLog) Info() (sysfile.Info, error) {
	return sysfile.Info{Size: s.n * int64(len(s.one)), Generation: snapshot.Generation{Ino: 1}}, nil
}

func (s *longLog) ReadAt(p []byte, off int64) (int, error) {
	s.reads++
	n := 0
	for size := s.n * int64(len(s.one)); n < len(p) && off+int64(n) < size; {
		n += copy(p[n:min(int64(len(p)), size-off)], s.one[(off+int64(n))%int64(len(s.one)):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func FuzzForwardIsBackward(f *testing.F) {
	f.Add([]byte("short"), uint16(3))
	for _, l := range utmpx.Layouts() {
		f.Add(raw(f, l, numbered(3)...), uint16(1))
		f.Add(raw(f, l, login("pts/0", 2)), uint16(600))
	}
	f.Add(compressed(f, "gz", raw(f, layout, numbered(600)...)), uint16(0))
	f.Add(compressed(f, "zst", raw(f, layout, numbered(600)...)), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, times uint16) {
		// Several blocks of what the fuzzer gives. The fuzzer ends a process that takes
		// longer than a second, so it gets fewer of what is compressed.
		limit := 1 << 19
		for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "\xfd7zXZ"} {
			if bytes.HasPrefix(data, []byte(magic)) {
				limit = 1 << 16
			}
		}
		all := []byte{}
		for range int(times)%1024 + 1 {
			if all = append(all, data...); len(all) > limit {
				break
			}
		}
		s := simfile.New()
		s.WriteFile("/wtmp", all)
		file, err := logs.New("/wtmp", logs.Options{System: s, Layout: layout}).Open(t.Context(), "/wtmp")
		if err == nil {
			forwardIsBackward(t, file, all)
			file.Close()
		}
		if n := s.OpenHandles(); n != 0 {
			t.Errorf("%d handles are left open", n)
		}
	})
}

// forwardIsBackward checks that both directions find the same records and the same
// damage, each byte in one of them, but for a partial record at the end.
func forwardIsBackward(t *testing.T, file *logs.File, all []byte) {
	type part struct {
		from, to int64
		raw      string // of a record, else of damage
	}
	read := func(seq func(func(logs.Entry, error) bool)) (got []part, failed error) {
		for e, err := range seq {
			var damage *logs.DamageError
			switch {
			case errors.As(err, &damage):
				got = append(got, part{from: damage.From, to: damage.To})
			case err != nil:
				failed = err
			default:
				got = append(got, part{from: e.Offset, raw: e.Raw()})
			}
		}
		return got, failed
	}
	forward, ferr := read(file.Forward(0))
	backward, berr := read(file.Backward(-1))
	slices.Reverse(backward)
	if (ferr == nil) != (berr == nil) {
		t.Fatalf("forward: %v; backward: %v", ferr, berr)
	}
	for i, f := range forward {
		if i >= len(backward) || backward[i] != f {
			t.Fatalf("part %d is backward another one than %+v", i, f)
		}
	}
	if len(forward) != len(backward) {
		t.Fatalf("forward %d parts, backward %d", len(forward), len(backward))
	}
	if ferr == nil && !file.Compressed() {
		isAll(t, file, all)
	}
}

// isAll checks that the records and the damage of a file are all of its bytes.
func isAll(t *testing.T, file *logs.File, all []byte) {
	off := int64(0)
	for e, err := range file.Forward(0) {
		from, to := e.Offset, e.Offset+int64(len(e.Raw()))
		var damage *logs.DamageError
		if errors.As(err, &damage) {
			from, to = damage.From, damage.To
		} else if raw := e.Raw(); raw != string(all[from:to]) {
			t.Fatalf("the record at %d is not what the file has there", from)
		}
		if from != off {
			t.Fatalf("from %d to %d there is nothing", off, from)
		}
		off = to
	}
	if int64(len(all))-off >= utmpx.MaxSize {
		t.Errorf("%d bytes are left out", int64(len(all))-off)
	}
}
