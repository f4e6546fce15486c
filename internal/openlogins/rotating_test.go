// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/utmpx"
)

// TestRotatedWhileRead has the log rotated while it is read, each step of that
// before any call: what stood open stands open, and what was closed is closed.
func TestRotatedWhileRead(t *testing.T) {
	older := []utmpx.Record{sess("long ago", 1), boot(2), sess("older", 3), sess("closed", 4)}
	present := []utmpx.Record{dead("closed", 5), sess("present", 6)}
	shift := func(w simWorld) { w.s.Rename(w.Path("wtmp.1"), w.Path("wtmp.2")) }
	tests := []struct {
		name  string
		steps [3]func(w simWorld)
	}{
		{"renamed", [3]func(w simWorld){
			shift,
			func(w simWorld) { w.s.Rename(w.Path("wtmp"), w.Path("wtmp.1")) },
			func(w simWorld) { w.s.WriteFile(w.Path("wtmp"), nil) },
		}},
		{"copied and cut", [3]func(w simWorld){
			shift,
			func(w simWorld) { w.s.WriteFile(w.Path("wtmp.1"), w.s.ReadFile(w.Path("wtmp"))) },
			func(w simWorld) { w.s.Change(w.Path("wtmp"), func([]byte) []byte { return nil }) },
		}},
	}
	for _, tt := range tests {
		for _, known := range []bool{false, true} {
			// rotated returns how many calls it took to see the log as it is.
			rotated := func(t *testing.T, at [3]int) (calls int) {
				w := simWorld{simfile.New()}
				w.Write(t, "wtmp.1", raw(t, layout, older...))
				w.Write(t, "wtmp", raw(t, layout, present...))
				l := openLog(w)
				if known {
					read(t, l)
				}
				done := 0
				w.s.Inject(func(simfile.Op) *simfile.Fault {
					for ; done < len(at) && at[done] <= calls; done++ {
						tt.steps[done](w)
					}
					calls++
					return nil
				})
				err := l.Append(t.Context(), func(ls *Logins) []utmpx.Record {
					w.s.Inject(nil)
					for line, pid := range map[string]int32{"older": 1003, "closed": 0, "present": 1006, "long ago": 0} {
						wantOpen(t, ls, line, pid)
					}
					return nil
				})
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
				if t.Failed() {
					t.Fatalf("rotated before the calls %v", at)
				}
				return calls
			}
			t.Run(fmt.Sprintf("%s, read before: %v", tt.name, known), func(t *testing.T) {
				const soon = 4 // calls from the second step to the third, or so many that it never comes
				n := 0
				for first := 0; first < rotated(t, [3]int{first, 1e6, 1e6}); first++ {
					for second := first; second < rotated(t, [3]int{first, second, 1e6}); second++ {
						for third := second; third < min(second+soon, rotated(t, [3]int{first, second, third})); third++ {
							n++
						}
					}
				}
				t.Logf("rotated in %d ways", n)
			})
		}
	}
}

// TestLostStaysLost: that something was lost is not forgotten because the log was
// rotated while it was read.
func TestLostStaysLost(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp", raw(t, layout, sess("lost", 1)))
	l := openLog(w)
	read(t, l)
	w.Write(t, "wtmp", raw(t, layout, sess("new", 2)))
	w.s.Inject(func(op simfile.Op) *simfile.Fault {
		if op.Call == simfile.List {
			w.s.Inject(nil)
			w.Rename(t, "wtmp", "wtmp.1")
			w.Write(t, "wtmp", nil)
		}
		return nil
	})
	ls := read(t, l)
	wantOpen(t, ls, "lost", 1001)
	wantOpen(t, ls, "new", 1002)
	if ls.Complete() {
		t.Error("all is known, although a file was lost")
	}
}

// TestEmptyLogCutWhileLocking has a login come to an empty log, which is then copied
// and cut, between the reading and the lock: it is as empty as before.
func TestEmptyLogCutWhileLocking(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp.1", raw(t, layout, boot(1), sess("older", 2)))
	w.Write(t, "wtmp", nil)
	l := openLog(w)
	w.s.Inject(func(op simfile.Op) *simfile.Fault {
		if op.Call == simfile.TryLock {
			w.s.Inject(nil)
			w.Change(t, "wtmp", func([]byte) []byte { return raw(t, layout, sess("new", 3)) })
			w.Rename(t, "wtmp.1", "wtmp.2")
			w.Write(t, "wtmp.1", w.Read(t, "wtmp"))
			w.Change(t, "wtmp", func([]byte) []byte { return nil })
		}
		return nil
	})
	check(t, l.Append(t.Context(), func(ls *Logins) []utmpx.Record {
		wantOpen(t, ls, "older", 1002)
		return []utmpx.Record{dead("older", 4)}
	}))
	check(t, l.Append(t.Context(), func(ls *Logins) []utmpx.Record {
		wantOpen(t, ls, "older", 0)
		wantOpen(t, ls, "new", 1003)
		return nil
	}))
}

// TestEmptyLogIsNotReadAgain as long as nothing was written to it: what is known of
// the files before it stays known.
func TestEmptyLogIsNotReadAgain(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp.1", raw(t, layout, sess("older", 2)))
		w.Write(t, "wtmp", nil)
		l := openLog(w)
		for range 3 {
			ls := read(t, l)
			wantOpen(t, ls, "older", 1002)
			if !ls.Complete() {
				t.Error("what was read is not known any more")
			}
		}
		check(t, l.Append(t.Context(), func(*Logins) []utmpx.Record { return []utmpx.Record{dead("older", 4)} }))
		ls := read(t, l)
		wantOpen(t, ls, "older", 0)
		if !ls.Complete() {
			t.Error("what was read is not known any more, after utmpd's own writing")
		}
	})
}

// TestReadingEnds: whoever wants to end does not wait for a long history.
func TestReadingEnds(t *testing.T) {
	w := simWorld{simfile.New()}
	long := raw(t, layout, slices.Repeat([]utmpx.Record{sess("pts/0", 1)}, 120*512)...)
	w.Write(t, "wtmp.1", long)
	w.Write(t, "wtmp", long)
	// reads returns how often the log was read, and how often after the end.
	reads := func(end int) (all, after int, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w.s.Inject(func(op simfile.Op) *simfile.Fault {
			if op.Call != simfile.Read {
				return nil
			}
			if all++; all > end {
				cancel()
				after++
			}
			return nil
		})
		defer w.s.Inject(nil)
		_, err = openLog(w).Read(ctx)
		return all, after, err
	}
	all, _, err := reads(1e6)
	if all < 80 || err != nil {
		t.Fatalf("read %d times: %v", all, err)
	}
	for end := range all - 1 { // behind the last one nothing is to be read
		// Each of the two files may still be looked at for its layout.
		if _, after, err := reads(end); after > 6 || !errors.Is(err, context.Canceled) {
			t.Fatalf("read %d times after its end at reading %d of %d: %v", after, end, all, err)
		}
	}
}

// TestFilledLog reads an empty log, which another program then appends to: nothing
// of it was lost, so no login is unknown.
func TestFilledLog(t *testing.T) {
	both(t, func(t *testing.T, w world) {
		w.Write(t, "wtmp", raw(t, layout, boot(1), sess("older", 2)))
		l := openLog(w)
		read(t, l)
		for _, name := range []string{"wtmp.1", "wtmp.2"} { // the second one is empty
			w.Rename(t, "wtmp", name)
			w.Write(t, "wtmp", nil)
			read(t, l)
		}
		w.Change(t, "wtmp", func([]byte) []byte { return raw(t, layout, sess("new", 9)) })
		w.SetTime(t, "wtmp", time.Unix(epoch+9, 0))
		logins := read(t, l)
		wantOpen(t, logins, "older", 1002)
		wantOpen(t, logins, "new", 1009)
		if !logins.Complete() || logins.MayBeOpen("other", utmpx.Time{Sec: epoch + 5}) {
			t.Error("a login is unknown, although nothing was lost")
		}
	})
}

// TestCopiedAndRenamed reads an empty log. It is appended to, copied, truncated, and
// renamed then: its inode has another name, and no records.
func TestCopiedAndRenamed(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp.1", raw(t, layout, boot(1)))
	w.Write(t, "wtmp", nil)
	l := openLog(w)
	read(t, l)
	w.Write(t, "wtmp.2", raw(t, layout, sess("copied", 2)))
	w.Change(t, "wtmp", func([]byte) []byte { return nil })
	w.Rename(t, "wtmp.1", "wtmp.3")
	w.Rename(t, "wtmp", "wtmp.1")
	w.Write(t, "wtmp", raw(t, layout, sess("new", 3)))
	logins := read(t, l)
	wantOpen(t, logins, "copied", 1002)
	wantOpen(t, logins, "new", 1003)
	if !logins.Complete() {
		t.Error("not complete, although all files could be read")
	}
}

// TestEmptyLogAfterAGap: a log that was empty when it was read is no new gap, also if
// an older one is known: what has a record after that one is not in doubt.
func TestEmptyLogAfterAGap(t *testing.T) {
	w := simWorld{simfile.New()}
	w.Write(t, "wtmp.2.gz", []byte("not gzip"))
	w.Write(t, "wtmp.1", raw(t, layout, sess("closed", 100), dead("closed", 110)))
	w.Write(t, "wtmp", nil)
	l := openLog(w)
	if read(t, l).Complete() {
		t.Fatal("complete, although a file could not be read")
	}
	w.Change(t, "wtmp", func([]byte) []byte { return raw(t, layout, sess("new", 200)) })
	logins := read(t, l)
	wantOpen(t, logins, "new", 1200)
	if logins.Complete() {
		t.Error("complete, although a file could not be read")
	}
	if logins.MayBeOpen("closed", utmpx.Time{Sec: epoch + 50}) || logins.MayBeOpen("closed", utmpx.Time{Sec: epoch + 150}) {
		t.Error("a line with a record after the gap may be open")
	}
	if !logins.MayBeOpen("other", utmpx.Time{Sec: epoch + 50}) {
		t.Error("a line without a record may not be open")
	}
}
