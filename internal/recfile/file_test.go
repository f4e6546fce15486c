// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

func open(w world, name string) *recfile.File {
	return recfile.NewFile(w.Path(name), recfile.Options{System: w.System(), Layout: layout})
}

// texts is what a file holds, a line for each record.
func texts(t *testing.T, w world, name string) []string {
	t.Helper()
	var out []string
	data := w.Read(t, name)
	for len(data) >= layout.Size() {
		out = append(out, layout.Decode(string(data[:layout.Size()])).String())
		data = data[layout.Size():]
	}
	if len(data) > 0 {
		out = append(out, "torn")
	}
	return out
}

func strs(recs ...utmpx.Record) []string {
	var out []string
	for _, r := range recs {
		out = append(out, r.String())
	}
	return out
}

func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// TestBadFiles wants a clear error for each, and the file as it was.
func TestBadFiles(t *testing.T) {
	garbage := []byte(strings.Repeat("this is no file of session records. ", 40))
	tests := []struct {
		name string
		make func(t *testing.T, w world)
		want error
		text string
	}{
		{"missing", func(*testing.T, world) {}, fs.ErrNotExist, ""},
		{"empty", func(t *testing.T, w world) { w.Write(t, "utmp", nil) }, recfile.ErrEmpty, "empty file"},
		{"short", func(t *testing.T, w world) { w.Write(t, "utmp", make([]byte, 100)) }, recfile.ErrTorn, "100 bytes, a record of glibc-384-le has 384"},
		{"garbage", func(t *testing.T, w world) { w.Write(t, "utmp", garbage) }, recfile.ErrLayout, "not session records"},
		{"directory", func(t *testing.T, w world) { w.Special(t, "utmp", fs.ModeDir) }, sysfile.ErrNotRegular, "a directory"},
		{"FIFO", func(t *testing.T, w world) { w.Special(t, "utmp", fs.ModeNamedPipe) }, sysfile.ErrNotRegular, "a FIFO"},
		{"user's symlink", func(t *testing.T, w world) {
			w.Write(t, "real", raw(t, layout, sess("pts/0", 1)))
			w.Symlink(t, "real", "utmp", 1000)
		}, sysfile.ErrSymlink, "user "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				tt.make(t, w)
				f := open(w, "utmp")
				err := f.Check()
				if !errors.Is(err, tt.want) {
					t.Fatalf("Check: %v, want %v", err, tt.want)
				}
				if !strings.Contains(err.Error(), tt.text) || strings.Count(err.Error(), "utmpfile:") != 1 {
					t.Errorf("Check says %q, want %q in it and the package's name once", err, tt.text)
				}
				if _, err := f.Read(0); err == nil {
					t.Error("Read(0): no error")
				}
				swap := []recfile.Swap{{Old: layout.Decode(string(make([]byte, 384))), New: sess("x", 1)}}
				if done, err := f.Swap(t.Context(), snapshot.Generation{}, swap); err == nil && done[0] {
					t.Error("Swap wrote")
				}
			})
		})
	}
}

func TestRootsSymlinkIsFollowed(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "real", raw(t, layout, sess("pts/0", 1)))
		w.Symlink(t, "real", "utmp", 0)
		s, err := open(w, "utmp").Snapshot(nil)
		if _, sim := w.(simWorld); !sim && !isRoot() {
			if !errors.Is(err, sysfile.ErrSymlink) { // only root can make root's
				t.Fatalf("Snapshot through a user's symlink: %v", err)
			}
			return
		}
		check(t, err)
		if s.Len() != 1 {
			t.Errorf("%d records, want 1", s.Len())
		}
	})
}

func TestSnapshot(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		var recs []utmpx.Record
		for i := range 3000 {
			recs = append(recs, sess("pts/"+string(rune('0'+i%10)), int64(i)))
		}
		data := raw(t, layout, recs...)
		w.Write(t, "utmp", append(data, "torn"...))
		f := open(w, "utmp")
		s, err := f.Snapshot(nil)
		check(t, err)
		var got []string
		for _, r := range s.All() {
			got = append(got, r.String())
		}
		diff(t, "records", strs(recs...), got)

		again, err := f.Snapshot(s)
		check(t, err)
		if again != s {
			t.Error("an unchanged file is another snapshot")
		}
		w.Change(t, "utmp", func(b []byte) []byte { b[2000*384] = byte(utmpx.DeadProcess); return b })
		next, err := f.Snapshot(s)
		check(t, err)
		var changed []int
		for i := range next.Changed(s) {
			changed = append(changed, i)
		}
		diff(t, "changed slots", []int{2000}, changed)

		r, err := f.Read(2000)
		check(t, err)
		if r.Type != utmpx.DeadProcess {
			t.Errorf("Read(2000) is %v", r)
		}
		if _, err := f.Read(3000); !errors.Is(err, recfile.ErrNoRecord) {
			t.Errorf("Read behind the end: %v", err)
		}
	})
}

// TestLayoutByContent wants each layout read and written in its own form.
func TestLayoutByContent(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		t.Run(l.Name(), func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "utmp", raw(t, l, boot(1), sess("pts/0", 2), sess("pts/1", 3)))
				f := open(w, "utmp")
				slot, err := f.Put(t.Context(), dead("pts/1", 4))
				check(t, err)
				if slot != 2 {
					t.Errorf("slot %d, want 2", slot)
				}
				want := raw(t, l, boot(1), sess("pts/0", 2), dead("pts/1", 4))
				if got := w.Read(t, "utmp"); string(got) != string(want) {
					t.Error("another record than in the file's own layout")
				}
			})
		})
	}
}

// TestLayoutChanges: what was sure is not believed of a file that was cut.
func TestLayoutChanges(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "utmp", raw(t, layout, boot(1), sess("pts/0", 2), sess("pts/1", 3)))
		f := open(w, "utmp")
		for _, l := range []*utmpx.Layout{layout, utmpx.Illumos372BE} {
			w.Change(t, "utmp", func([]byte) []byte { return raw(t, l, sess("pts/0", 2)) })
			if got, err := f.Layout(); got != l || err != nil {
				t.Errorf("Layout() = %v, %v, want %v", got, err, l)
			}
			w.Change(t, "utmp", func([]byte) []byte { return raw(t, layout, boot(1), sess("pts/0", 2), sess("pts/1", 3)) })
			if got, err := f.Layout(); got != layout || err != nil {
				t.Errorf("Layout() = %v, %v, want %v", got, err, layout)
			}
			w.Change(t, "utmp", func([]byte) []byte { return raw(t, l, sess("pts/0", 2)) })
			f.Layout()
			w.Change(t, "utmp", func([]byte) []byte { return nil })
			if got, err := f.Layout(); got != layout || err != nil {
				t.Errorf("Layout() of the emptied file = %v, %v, want the one expected", got, err)
			}
			w.Change(t, "utmp", func([]byte) []byte { return raw(t, layout, boot(1)) })
		}
	})
}

// TestDoubtfulLayout: a doubt counts for the layout expected and against another.
func TestDoubtfulLayout(t *testing.T) {
	odd := utmpx.Record{Type: 999, PID: -1}
	leftover := utmpx.Record{Line: "pts/0", User: "alice"} // EMPTY
	tests := []struct {
		name string
		file *utmpx.Layout
		recs []utmpx.Record
		want error
	}{
		{"native, half of it odd", layout, []utmpx.Record{sess("a", 1), sess("b", 2), odd}, nil},
		{"another, half of it odd", utmpx.Illumos372BE, []utmpx.Record{sess("a", 1), sess("b", 2), odd}, recfile.ErrLayout},
		{"native, all odd", layout, []utmpx.Record{odd, odd}, recfile.ErrLayout},
		{"native, with no record in use", layout, []utmpx.Record{leftover, {}}, nil},
		{"blank", layout, make([]utmpx.Record, 5), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := simWorld{simfile.New()}
			w.Write(t, "utmp", raw(t, tt.file, tt.recs...))
			if _, err := open(w, "utmp").Snapshot(nil); !errors.Is(err, tt.want) {
				t.Errorf("Snapshot: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPut(t *testing.T) {
	typed := func(r utmpx.Record, typ utmpx.Type) utmpx.Record { r.Type = typ; return r }
	noID := func(r utmpx.Record) utmpx.Record { r.ID = ""; return r }
	withID := func(r utmpx.Record, id string) utmpx.Record { r.ID = id; return r }
	files := []utmpx.Record{
		boot(1),
		typed(sess("~", 2), utmpx.RunLevel),
		typed(sess("tty1", 3), utmpx.LoginProcess),
		sess("pts/0", 4),
		noID(sess("vsftpd:77", 5)),
		dead("pts/2", 6),
		typed(sess("ac", 7), utmpx.Accounting),
	}
	tests := []struct {
		name string
		put  utmpx.Record
		slot int
	}{
		{"boot by type", typed(sess("other", 9), utmpx.BootTime), 0},
		{"run level by type", typed(sess("other", 9), utmpx.RunLevel), 1},
		{"old time is not there", typed(sess("~", 9), utmpx.OldTime), 7},
		{"new time is not there", typed(sess("~", 9), utmpx.NewTime), 7},
		{"login over getty, by id", sess("tty1", 9), 2},
		{"another line with the id", withID(sess("pts/9", 9), sess("pts/0", 0).ID), 3},
		{"the line with another id", withID(sess("pts/0", 9), "zz"), 7},
		{"without id, by line", noID(sess("pts/0", 9)), 3},
		{"the other has no id, by line", withID(sess("vsftpd:77", 9), "zz"), 4},
		{"logout over login", dead("pts/0", 9), 3},
		{"login over dead", sess("pts/2", 9), 5},
		{"a new line", sess("pts/7", 9), 7},
		{"accounting matches nothing", typed(sess("ac", 9), utmpx.Accounting), 7},
		{"empty matches nothing", typed(sess("pts/0", 9), utmpx.Empty), 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				for _, tail := range []string{"", "a torn record"} {
					w.Write(t, "utmp", append(raw(t, layout, files...), tail...))
					slot, err := open(w, "utmp").Put(t.Context(), tt.put)
					check(t, err)
					if slot != tt.slot {
						t.Errorf("slot %d, want %d", slot, tt.slot)
					}
					want := strs(files...)
					if tt.slot == len(files) {
						want = append(want, "")
					}
					want[tt.slot] = tt.put.String()
					if tail != "" && tt.slot < len(files) {
						want = append(want, "torn")
					}
					diff(t, "file", want, texts(t, w, "utmp"))
				}
			})
		})
	}
}

// TestPutUnless: a record anywhere in the file can be in the way, before the place or after
// it. If none is, the place is that of Put.
func TestPutUnless(t *testing.T) {
	var files []utmpx.Record
	for i := range int64(700) { // more than a block
		files = append(files, dead("pts/"+string(rune('a'+i%20)), i))
	}
	files[3], files[650] = sess("tty1", 3), sess("tty2", 650)
	put := sess("pts/b", 9)
	for _, c := range []struct {
		name  string
		taken string // the line
		want  error
	}{
		{"before its place", "tty1", recfile.ErrTaken},
		{"after its place", "tty2", recfile.ErrTaken},
		{"nowhere", "tty3", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "utmp", raw(t, layout, files...))
				slot, err := open(w, "utmp").PutUnless(t.Context(), put, utmpx.Record{}, func(at utmpx.Record) bool { return at.Line == c.taken })
				if !errors.Is(err, c.want) {
					t.Fatalf("error %v, want %v", err, c.want)
				}
				want := strs(files...)
				if err == nil {
					want[1] = put.String()
					if slot != 1 {
						t.Errorf("slot %d", slot)
					}
				}
				diff(t, "file", want, texts(t, w, "utmp"))
			})
		})
	}
	both(t, func(t *testing.T, w world) {
		w.Write(t, "utmp", raw(t, layout, files...))
		slot, err := open(w, "utmp").PutUnless(t.Context(), sess("new", 9), utmpx.Record{}, func(utmpx.Record) bool { return false })
		if err != nil || slot != len(files) {
			t.Errorf("slot %d, %v: want it at the end", slot, err)
		}
	})
}

// TestPutOver: a record goes over the one that is named, though another one with its ut_id
// comes before, and nowhere if that is not there any more.
func TestPutOver(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "utmp", raw(t, layout, boot(1), dead("tty1", 2), sess("tty2", 3), dead("tty1", 4)))
		f := open(w, "utmp")
		free := func(utmpx.Record) bool { return false }
		over := layout.Decode(string(raw(t, layout, dead("tty1", 4))))
		slot, err := f.PutUnless(t.Context(), sess("tty1", 5), over, free)
		if err != nil || slot != 3 {
			t.Errorf("slot %d, %v: want 3", slot, err)
		}
		if _, err := f.PutUnless(t.Context(), sess("tty1", 6), over, free); !errors.Is(err, recfile.ErrTaken) {
			t.Errorf("over what is gone: %v", err)
		}
		diff(t, "file", strs(boot(1), dead("tty1", 2), sess("tty2", 3), sess("tty1", 5)), texts(t, w, "utmp"))
	})
}

func TestPutIntoEmptyFile(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "utmp", nil)
		f := open(w, "utmp")
		for i, r := range []utmpx.Record{boot(1), sess("pts/0", 2), dead("pts/0", 3)} {
			slot, err := f.Put(t.Context(), r)
			check(t, err)
			if want := min(i, 1); slot != want {
				t.Errorf("record %d in slot %d, want %d", i, slot, want)
			}
		}
		diff(t, "file", strs(boot(1), dead("pts/0", 3)), texts(t, w, "utmp"))
	})
}

func TestSwap(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		var recs []utmpx.Record
		for i := range 600 {
			recs = append(recs, sess("pts/"+string(rune('a'+i%20)), int64(i)))
		}
		data := raw(t, layout, recs...)
		for i := range 600 { // padding, bytes behind a NUL: they stay
			data[i*384+2], data[i*384+75], data[i*384+383] = 1, 2, 3
		}
		w.Write(t, "utmp", data)
		f := open(w, "utmp")
		s, err := f.Snapshot(nil)
		check(t, err)
		w.Change(t, "utmp", func(b []byte) []byte { b[300*384+383] = 9; return b })

		var swaps []recfile.Swap
		var want []bool
		for i := range 600 {
			if i%2 == 0 {
				r := s.Record(i)
				r.Type, r.User = utmpx.DeadProcess, ""
				swaps = append(swaps, recfile.Swap{Slot: i, Old: s.Record(i), New: r})
				want = append(want, i != 300)
			}
		}
		gone := recfile.Swap{Slot: 600, Old: s.Record(0), New: s.Record(0)}
		swaps, want = append(swaps, gone), append(want, false)
		same, err := f.Compare(t.Context(), s.Generation(), swaps)
		check(t, err)
		diff(t, "compared", want, same)
		done, err := f.Swap(t.Context(), s.Generation(), swaps)
		check(t, err)
		diff(t, "swapped", want, done)

		got := w.Read(t, "utmp")
		if len(got) != len(data) {
			t.Fatalf("%d bytes, want %d", len(got), len(data))
		}
		for i := range 600 {
			wantRaw := s.Raw(i)
			if i%2 == 0 && i != 300 {
				b, err := layout.Encode(swaps[i/2].New)
				check(t, err)
				wantRaw = string(b)
			}
			b := got[i*384 : (i+1)*384]
			if i == 300 {
				b[383] = 3
			}
			if string(b) != wantRaw {
				t.Fatalf("slot %d is not as it should be", i)
			}
			if b[2] != 1 || b[75] != 2 && i%2 == 1 || b[383] != 3 {
				t.Fatalf("slot %d lost bytes that belong to no field", i)
			}
		}
		// Once more: nothing is as expected any more.
		done, err = f.Swap(t.Context(), s.Generation(), swaps)
		check(t, err)
		diff(t, "swapped again", make([]bool, len(swaps)), done)
	})
}

func TestSwapRefuses(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		data := raw(t, layout, sess("pts/0", 1), sess("pts/1", 2))
		w.Write(t, "utmp", data)
		f := open(w, "utmp")
		s, err := f.Snapshot(nil)
		check(t, err)
		long := s.Record(1)
		long.User = strings.Repeat("u", 33)
		_, err = f.Swap(t.Context(), s.Generation(), []recfile.Swap{
			{Slot: 0, Old: s.Record(0), New: dead("pts/0", 5)}, {Slot: 1, Old: s.Record(1), New: long}})
		if !errors.Is(err, utmpx.ErrRange) {
			t.Errorf("a user of 33 bytes: %v", err)
		}
		_, err = f.Swap(t.Context(), s.Generation(), []recfile.Swap{{Slot: 0, Old: sess("pts/0", 1), New: dead("pts/0", 5)}})
		if err == nil {
			t.Error("an old record that was never read: no error")
		}
		w.Write(t, "utmp", data)
		for _, do := range []func(context.Context, snapshot.Generation, []recfile.Swap) ([]bool, error){f.Swap, f.Compare} {
			done, err := do(t.Context(), s.Generation(), []recfile.Swap{{Slot: 0, Old: s.Record(0), New: dead("pts/0", 5)}})
			if !errors.Is(err, recfile.ErrReplaced) || done[0] {
				t.Errorf("another file with the same bytes: %v, %v", done, err)
			}
		}
		if string(w.Read(t, "utmp")) != string(data) {
			t.Error("the file was changed")
		}
	})
}

// TestOddRecords: as many odd records as good ones, or more, do not condemn a file.
func TestOddRecords(t *testing.T) {
	odd := sess("c", 3)
	odd.Host = "\x1b[31m"
	for _, recs := range [][]utmpx.Record{
		{sess("a", 1), odd},
		{odd, sess("a", 1), odd},
		{boot(1), odd, {Type: 42, PID: -1, Time: sess("a", 1).Time}, {Type: 999, PID: -5}},
	} {
		w := simWorld{simfile.New()}
		w.Write(t, "utmp", raw(t, layout, recs...))
		if s, err := open(w, "utmp").Snapshot(nil); err != nil || s.Len() != len(recs) {
			t.Errorf("%d records, %v; want %d", s.Len(), err, len(recs))
		}
	}
}
