// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unsafe"

	"utmpd.dev/utmpd/utmpx"
)

// dump is one call of utmpdump.
type dump struct {
	*Program
	follow, reverse bool
	out             io.Writer // of -o, or standard output
	outFile         *os.File
	text            textForm
}

const dumpHelp = `
Usage:
 utmpdump [options] [file]

Print the records of a utmp or wtmp file as text, one a line, or make records
of such text. Without a file it reads standard input.

Options:
 -f, --follow         go on with what is appended to the file
 -r, --reverse        read text, write records
 -o, --output <file>  write to this file, not to standard output
 -h, --help           print this help
 -V, --version        print the version

utmpdump(1) describes the text. This is the utmpdump of utmpd.
`

func (p *Program) utmpdump() error {
	d := dump{Program: p, out: p.Stdout}
	o := options{short: "fro:hV", posix: p.Getenv("POSIXLY_CORRECT") != "", each: d.option, long: []longOption{
		{"follow", false, 'f'}, {"reverse", false, 'r'}, {"output", true, 'o'}, {"help", false, 'h'}, {"version", false, 'V'},
	}}
	operands, err := o.parse(p.Argv[1:])
	if d.outFile != nil {
		defer d.outFile.Close()
	}
	switch {
	case errors.Is(err, errStop):
		return nil
	case err != nil:
		return err
	}
	if len(operands) == 0 {
		if d.follow {
			return errors.New("following standard input is unsupported")
		}
		return d.work(p.Stdin, nil, "/dev/stdin")
	}
	file, err := os.Open(operands[0])
	if err != nil {
		return fmt.Errorf("cannot open %s: %s", operands[0], reason(err))
	}
	defer file.Close()
	return d.work(file, file, operands[0])
}

// work dumps or undumps what is in in. file is nil for standard input.
func (d *dump) work(in io.Reader, file *os.File, name string) error {
	w := output(d.out)
	var err error
	if d.reverse {
		fmt.Fprintf(d.Stderr, "Utmp undump of %s\n", name)
		err = d.undump(in, w)
	} else {
		fmt.Fprintf(d.Stderr, "Utmp dump of %s\n", name)
		err = d.dump(in, file, w)
	}
	if failed := w.Flush(); failed != nil {
		if d.outFile != nil {
			return fmt.Errorf("write failed: %s", reason(failed))
		}
		return fmt.Errorf("write error: %s", reason(failed))
	}
	return err
}

func (d *dump) option(c rune, arg string) error {
	switch c {
	case 'f':
		d.follow = true
	case 'r':
		d.reverse = true
	case 'o':
		f, err := os.Create(arg)
		if err != nil {
			return fmt.Errorf("cannot open %s: %s", arg, reason(err))
		}
		if d.outFile != nil {
			d.outFile.Close()
		}
		d.out, d.outFile = f, f
	case 'h':
		return d.answer(dumpHelp)
	case 'V':
		return d.answer(d.versionLine())
	}
	return nil
}

// shownFirst is how many records a dump that follows begins with, at most.
const shownFirst = 10

// dump prints the records. What follows the last whole one, and what cannot be read, is
// not reported, as in util-linux. file is nil for standard input.
func (d *dump) dump(in io.Reader, file *os.File, w *bufio.Writer) error {
	layout := utmpx.Native()
	size := int64(layout.Size())
	at := int64(0)
	if d.follow {
		if info, err := file.Stat(); err == nil {
			at = max(0, info.Size()/size-shownFirst) * size
		}
		if _, err := file.Seek(at, io.SeekStart); err != nil {
			return fmt.Errorf("cannot seek in %s: %s", file.Name(), reason(err))
		}
	}
	n, err := d.print(in, w)
	if err != nil || !d.follow {
		return nil // the caller flushes w, and reports what that says
	}
	return d.goOn(file, at+n, w)
}

// print prints the records that are left in r and returns their size. It does not keep
// back what has come if no more is there yet.
func (d *dump) print(r io.Reader, w *bufio.Writer) (done int64, err error) {
	layout := utmpx.Native()
	size := layout.Size()
	block := make([]byte, largestBlock*size)
	part := 0 // of a record, at the beginning of the block
	for {
		n, end := r.Read(block[part:])
		b := block[:part+n]
		for ; len(b) >= size; b = b[size:] {
			rec := decode(layout, b[:size], d.old)
			if w.Available() < longestRow {
				_ = w.Flush() // its error comes back from Write
			}
			if _, err := w.Write(d.text.append(w.AvailableBuffer(), &rec, d.old)); err != nil {
				return done, err
			}
			done += int64(size)
		}
		if end != nil {
			return done, nil
		}
		if part+n < len(block) {
			if err := w.Flush(); err != nil {
				return done, err
			}
		}
		part = copy(block, b)
	}
}

// decode decodes a record whose strings share b's memory: they are good until b changes.
// Where seconds have 32 bits, they are unsigned since glibc 2.40, and so in a program that
// is built with it.
func decode(layout *utmpx.Layout, b []byte, old bool) utmpx.Record {
	r := layout.Decode(unsafe.String(&b[0], len(b)))
	if old {
		r.Time.Sec = signed(layout, r.Time.Sec)
	}
	return r
}

func signed(layout *utmpx.Layout, sec int64) int64 {
	if layout.Size() == utmpx.Glibc384LE.Size() {
		return int64(int32(sec))
	}
	return sec
}

// longestLine is how much of a line is read as one. The rest is read as another.
const longestLine = 1022

// undump writes the records of lines. A line that does not begin like a record is
// reported. One that lacks a field ends it.
func (d *dump) undump(in io.Reader, w *bufio.Writer) error {
	layout := utmpx.Native()
	lines := bufio.NewReaderSize(in, 1<<16)
	buf := make([]byte, 0, longestLine)
	for {
		line, err := nextLine(lines, buf)
		if len(line) == 0 {
			return nil
		}
		r, parsed := ParseText(line)
		switch {
		case errors.Is(parsed, ErrNoRecord):
			shown, _, _ := strings.Cut(line, "\x00")
			fmt.Fprintf(d.Stderr, "%s: parse error: %s\n", d.name(), shown)
			continue
		case parsed != nil:
			return fatal("Extraneous newline in file. Exiting.")
		}
		b, encoded := layout.AppendEncode(w.AvailableBuffer(), r)
		if errors.Is(encoded, utmpx.ErrRange) { // the time: keep what the field holds
			r.Time.Sec = int64(uint32(r.Time.Sec))
			b, encoded = layout.AppendEncode(w.AvailableBuffer(), r)
		}
		if encoded != nil {
			return encoded
		}
		if _, err := w.Write(b); err != nil {
			return nil // the caller flushes w, and reports what that says
		}
		if err != nil {
			return nil
		}
	}
}

// nextLine returns the next line with its newline, or the first part of a long one, and
// the error that ended it. It is empty at the end.
func nextLine(r *bufio.Reader, buf []byte) (string, error) {
	for len(buf) < cap(buf) {
		c, err := r.ReadByte()
		if err != nil {
			return string(buf), err
		}
		if buf = append(buf, c); c == '\n' {
			break
		}
	}
	return string(buf), nil
}
