// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"utmpd.dev/utmpd/internal/lastlog"
	"utmpd.dev/utmpd/internal/recordjson"
)

// lastlogFile is an open lastlog file. It is mostly holes: a record for each user ID.
type lastlogFile struct {
	f    *os.File
	info fs.FileInfo
	form lastlog.Form
}

// How much of a file tells its form.
const (
	lastlogSample = 1 << 16 // bytes of a sample
	lastlogZeros  = 1 << 26 // bytes of zeros before the first
	lastlogMost   = 296     // bytes of the largest record
)

// openLastlog opens a file that is surely a lastlog file; by the name that the user gave, one whose
// records are not beyond doubt, too. It returns nil for others, and for what cannot be read.
func openLastlog(to, name string) *lastlogFile {
	if info, err := os.Stat(to); err != nil || !info.Mode().IsRegular() {
		return nil // opening a pipe would wait
	}
	f, err := os.Open(to)
	if err != nil {
		return nil
	}
	l := &lastlogFile{f: f}
	if !l.detect(name) {
		f.Close()
		return nil
	}
	return l
}

func (l *lastlogFile) detect(name string) bool {
	info, err := l.f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	l.info = info
	samples, err := lastlogSamples(l.f, info.Size())
	if err != nil {
		return false
	}
	var sure bool
	if l.form, sure = lastlog.Detect(samples, info.Size(), info.ModTime()); sure {
		return true
	}
	l.form = lastlog.Guess(samples, info.Size(), info.ModTime())
	return isLastlog(name) && info.Size()%int64(l.form.Size()) == 0
}

// lastlogSamples returns the first bytes of a file that are not all zeros, and the last ones.
// It looks for the first through zeros too: the holes of a file are such in its copy.
func lastlogSamples(f *os.File, size int64) (all []lastlog.Sample, err error) {
	block := make([]byte, lastlogSample)
	read := func(at int64) ([]byte, error) {
		n, err := f.ReadAt(block, at)
		if err == io.EOF {
			err = nil
		}
		return block[:n], err
	}
	at := int64(0)
	for looked := 0; ; looked += lastlogSample {
		at = dataAfter(f, at)
		b, err := read(at)
		if err != nil {
			return nil, err
		}
		if i := len(b) - len(bytes.TrimLeft(b, "\x00")); i < len(b) {
			at = max(0, at+int64(i)-lastlogMost) // the record may begin with zeros
			break
		}
		if len(b) < lastlogSample || looked >= lastlogZeros {
			break
		}
		at += lastlogSample
	}
	for _, at := range []int64{at, max(at+lastlogSample, size-lastlogSample)} {
		b, err := read(at)
		if err != nil {
			return nil, err
		}
		all = append(all, lastlog.Sample{At: at, Bytes: bytes.Clone(b)})
	}
	return all, nil
}

// isLastlog reports whether a name is that of a lastlog file.
func isLastlog(name string) bool { return filepath.Base(name) == "lastlog" }

// records yields the place and the bytes of each record that is not blank, and the damage at
// the end.
func (l *lastlogFile) records(yield func(uid int64, b []byte) bool) error {
	size := int64(l.form.Size())
	block := make([]byte, size*1024)
	for at := int64(0); at < l.info.Size(); {
		at = dataAfter(l.f, at) / size * size
		n, err := l.f.ReadAt(block, at)
		if err != nil && err != io.EOF {
			return err
		}
		if int64(n) < size {
			return nil
		}
		for i := int64(0); i+size <= int64(n); i += size {
			if !yield((at+i)/size, block[i:i+size]) {
				return nil
			}
		}
		at += int64(n) / size * size
	}
	return nil
}

// lastlog dumps a lastlog file, a line for each user who has logged in.
func (d *dumping) lastlog(l *lastlogFile, name string) error {
	defer l.f.Close()
	if d.in.set["text"] || d.in.value("to") != "" {
		d.trouble(fmt.Errorf("%s is a lastlog file: it is printed as JSON alone", name))
		return nil
	}
	var err error
	var times sessionLines
	failed := l.records(func(uid int64, b []byte) bool {
		r := l.form.Decode(b)
		switch {
		case r.Empty:
			return true
		case r.Why != "":
			d.trouble(fmt.Errorf("%s: the record of user ID %d is none: %s", name, uid, r.Why))
			return true
		}
		d.b = append(d.b[:0], `{"type":"LASTLOG","uid":`...)
		d.b = strconv.AppendInt(d.b, uid, 10)
		d.b = recordjson.AppendText(d.b, "line", r.Line)
		d.b = recordjson.AppendText(d.b, "host", r.Host)
		d.b = times.time(append(d.b, `,"time":`...), r.Time)
		d.b = recordjson.AppendText(d.b, "layout", l.form.Name())
		err = d.out.add(append(d.b, "}\n"...))
		return err == nil && d.in.ctx.Err() == nil
	})
	if failed != nil {
		d.trouble(failed)
	}
	return err
}

// lastlogError is the error of a command that reads sessions, and was given a lastlog file.
type lastlogError string

func (e lastlogError) Error() string {
	return fmt.Sprintf("%s is a lastlog file: it has when each user logged in last, and no sessions; `utmpctl dump` prints it", string(e))
}

// notLastlog returns an error if a file is surely a lastlog file.
func notLastlog(to, name string) error {
	if l := openLastlog(to, ""); l != nil {
		l.f.Close()
		return lastlogError(name)
	}
	return nil
}
