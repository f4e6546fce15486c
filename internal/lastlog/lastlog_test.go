// SPDX-License-Identifier: BSD-2-Clause

package lastlog

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

var modified = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)

// encode writes a record as the system does.
func encode(f Form, at time.Time, line, host string) []byte {
	b := make([]byte, f.Size())
	if f.Time == 4 {
		f.Order.PutUint32(b, uint32(at.Unix()))
	} else {
		f.Order.PutUint64(b, uint64(at.Unix()))
	}
	copy(b[f.Time:f.Time+f.Line], line)
	copy(b[f.Time+f.Line:], host)
	return b
}

// TestDetect: a file of each form, with holes as a lastlog file has them, is one of that form,
// and each record is as it was written.
func TestDetect(t *testing.T) {
	for _, f := range Forms() {
		t.Run(f.Name(), func(t *testing.T) {
			at := modified.Add(-time.Hour)
			b := slices.Concat(encode(f, at, "tty1", ""), make([]byte, 7*f.Size()), encode(f, at.Add(time.Minute), "pts/3", "desk.example.o"))
			got, sure := Detect([]Sample{{0, b}}, int64(len(b)), modified)
			if !sure || got != f {
				t.Fatalf("%v, %s", sure, got.Name())
			}
			if got := Guess([]Sample{{0, b}}, int64(len(b)), modified); got != f {
				t.Errorf("guessed: %s", got.Name())
			}
			want := Login{Time: at.Add(time.Minute).Local(), Line: "pts/3", Host: "desk.example.o"}
			if diff := cmp.Diff(want, f.Decode(b[8*f.Size():])); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if r := f.Decode(b[f.Size():]); !r.Empty {
				t.Errorf("a blank record: %+v", r)
			}
			torn := b[:len(b)-3]
			if _, sure := Detect([]Sample{{0, torn}}, int64(len(torn)), modified); sure {
				t.Error("a torn file is sure")
			}
		})
	}
}

// TestNoOther: a utmpx file or log of any system is none, nor is text or nothing.
func TestNoOther(t *testing.T) {
	files := map[string][]byte{"nothing": nil, "zeros": make([]byte, 292*28), "text": bytes.Repeat([]byte("root was here, and then 1\n"), 300)}
	for _, l := range append(utmpx.Layouts(), utmpx.Foreign()...) {
		var b []byte
		for i := range 40 {
			r := utmpx.Record{Type: utmpx.UserProcess, PID: int32(i + 900), Line: "pts/0", ID: "0", User: "root", Host: "desk", Time: utmpx.TimeOf(modified.Add(-time.Hour))}
			p, err := l.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			b = append(b, p...)
			files[l.Name()] = b[:i*len(p)/2+len(p)]
			if f, sure := Detect([]Sample{{0, b}}, int64(len(b)), modified); sure {
				t.Errorf("%d records of %s are a file of %s", i+1, l.Name(), f.Name())
			}
		}
	}
	for name, b := range files {
		if f, sure := Detect([]Sample{{0, b}}, int64(len(b)), modified); sure {
			t.Errorf("%s: %s", name, f.Name())
		}
	}
}

// FuzzDetect: whatever the bytes are, nothing fails, and what is sure can be decoded.
func FuzzDetect(f *testing.F) {
	f.Add(encode(Forms()[0], modified, "pts/0", "desk"), int64(0))
	f.Add(encode(Forms()[5], modified, "pts/0", "desk"), int64(28))
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		form, sure := Detect([]Sample{{max(0, at), b}}, int64(len(b)), modified)
		if !sure {
			form = Guess([]Sample{{max(0, at), b}}, int64(len(b)), modified)
		}
		for part := range slices.Chunk(b, form.Size()) {
			if len(part) < form.Size() {
				break
			}
			if r := form.Decode(part); at == 0 && sure && r.Why != "" {
				t.Errorf("sure, and %s", r.Why)
			}
		}
	})
}

// TestTwoForms: a file that may be of two forms is not sure, and by its name the one of Linux.
func TestTwoForms(t *testing.T) {
	linux := Forms()[0]
	b := append(encode(linux, modified, "tty1", ""), make([]byte, 6*linux.Size())...)
	if f, sure := Detect([]Sample{{0, b}}, int64(len(b)), modified); sure {
		t.Errorf("it is surely of %s", f.Name())
	}
	if f := Guess([]Sample{{0, b}}, int64(len(b)), modified); f != linux {
		t.Errorf("guessed: %s", f.Name())
	}
}
