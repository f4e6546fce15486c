// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"utmpd.dev/utmpd/internal/foreign"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/utillinux"
	"utmpd.dev/utmpd/utmpx"
)

func dumpCommand() command {
	return command{
		name:    "dump",
		summary: "print the records of utmp and wtmp files, of any system",
		about: `It prints a line of JSON for each record, which undump reads. Without FILE it
reads this machine's wtmp file and its rotated files; - is standard input.
Damage is named and left out, unless -layout says how to read each byte.`,
		options: []option{
			{name: "json", help: "print JSON, as it does unless told otherwise"},
			{name: "text", help: "print what utmpdump(1) prints, which loses some fields"},
			{name: "to", arg: "LAYOUT", help: "write records in the layout of another system, not text", among: outputNames()},
			{name: "layout", arg: "LAYOUT", help: "FILE has this layout, whatever it shows", among: layoutNames()},
			{name: "follow", short: "f", help: "go on with what comes, across rotations"},
			configOption,
		},
		args: argument{name: "[FILE...]", help: "file", most: 1 << 16},
		examples: []string{
			"dump wtmp.1.gz | grep '\"user\":\"alice\"'",
			"dump -to glibc-384-le wtmp.arm64 >wtmp  # for this machine",
		},
		run: dump,
	}
}

// dumping is one run of `utmpctl dump`.
type dumping struct {
	in     call
	force  *utmpx.Layout
	follow bool
	out    *outlet
	form   func(b []byte, r utmpx.Record) ([]byte, error) // of one record
	head   []byte                                         // of the output
	b      []byte

	to      *utmpx.Layout // nil: text
	convert foreign.Converter

	damage damages
	failed bool // something was not read, or not written
}

// errPartly ends a command that has named what it could not read.
var errPartly = errors.New("not everything could be read; see above")

func dump(in call) error {
	d := &dumping{in: in, follow: in.set["follow"], form: jsonLine}
	if err := d.options(); err != nil {
		return err
	}
	d.out = in.outlet(fastWrite)
	defer d.out.close()
	err := d.out.add(d.head)
	if err == nil && len(in.args) == 0 {
		err = d.own()
	}
	for _, name := range in.args {
		if err == nil {
			err = d.named(name)
		}
	}
	if err == nil {
		err = d.out.flush()
	}
	if err := d.damage.err(); err != nil {
		tell(in.stderr, err)
	}
	if other := otherIDs(&d.convert, d.to); other != "" {
		tell(in.stderr, "dump: "+other)
	}
	switch {
	case errors.Is(err, context.Canceled) && !d.follow:
		return errors.New("dump: a signal has ended it")
	case err != nil && !gone(err):
		return fmt.Errorf("dump: %w", err)
	case d.failed || d.damage.err() != nil:
		return fmt.Errorf("dump: %w", errPartly)
	}
	return nil
}

// options takes the options, and refuses what makes no sense.
func (d *dumping) options() error {
	usage := func(format string, args ...any) error {
		return &usageError{fmt.Errorf("dump: "+format, args...), dumpCommand().usage()}
	}
	if name := d.in.value("layout"); name != "" {
		l, err := layoutOf(name)
		if err != nil {
			return usage("-layout: %w", err)
		}
		d.force = l
	}
	if name := d.in.value("to"); name != "" {
		to, err := outputOf(name)
		if err != nil {
			return usage("-to: %w", err)
		}
		d.to, d.head = to.layout, to.header
		d.form = func(b []byte, r utmpx.Record) ([]byte, error) { return to.from(&d.convert, b, r, r.Layout()) }
	}
	if d.in.set["text"] {
		d.form = textLine
	}
	forms := 0
	for _, chosen := range []bool{d.in.set["json"], d.in.set["text"], d.in.value("to") != ""} {
		if chosen {
			forms++
		}
	}
	if forms > 1 {
		return usage("-json, -text and -to do not go together")
	}
	if d.follow && (len(d.in.args) > 1 || len(d.in.args) == 1 && (d.in.args[0] == stdinName || isState(d.in.args[0]))) {
		return usage("-follow takes one log")
	}
	if d.in.value("to") != "" && onTerminal(d.in.stdout) {
		return errors.New("dump: -to writes no text: redirect it to a file")
	}
	return nil
}

// layoutOf returns the layout of that name; "native" is this machine's.
func layoutNames() (names []string) {
	for _, l := range append(utmpx.Layouts(), utmpx.Foreign()...) {
		names = append(names, l.Name())
	}
	return append(names, "native")
}

func layoutOf(name string) (*utmpx.Layout, error) {
	if name == "native" {
		return utmpx.Native(), nil
	}
	l, err := utmpx.ByName(name)
	if err != nil {
		err = errors.New(strings.TrimPrefix(err.Error(), "utmpx: ") + " and native")
	}
	return l, err
}

func jsonLine(b []byte, r utmpx.Record) ([]byte, error) {
	return append(recordjson.Append(b, r), '\n'), nil
}

func textLine(b []byte, r utmpx.Record) ([]byte, error) { return utillinux.AppendText(b, r), nil }

// record writes a record. One that the form cannot hold is named, and left out.
func (d *dumping) record(e logs.Entry, file string) error {
	b, err := d.form(d.b[:0], e.Record)
	if err != nil {
		d.trouble(fmt.Errorf("%s: record at byte %d: %w", file, e.Offset, err))
		return nil
	}
	d.b = b
	return d.out.add(b)
}

// trouble notes an error that does not end the dump.
func (d *dumping) trouble(err error) {
	if d.follow || !d.damage.add(err) {
		d.failed = true
		tell(d.in.stderr, err)
	}
}

// own dumps this machine's log.
func (d *dumping) own() error {
	cfg, err := d.in.settings()
	if err != nil {
		return err
	}
	log := d.log(cfg.WtmpxFile, true)
	if d.follow {
		return d.all(log.Follow(d.in.ctx, logs.Position{}), log.Name())
	}
	return d.all(log.From(d.in.ctx, logs.Position{}), log.Name())
}

// log names a log, whose records share memory if that is said.
func (d *dumping) log(name string, reuse bool) *logs.Log {
	return logs.New(name, logs.Options{Torn: true, Reuse: reuse, Force: d.force, Waiting: func() { _ = d.out.flush() }})
}

// all dumps records.
func (d *dumping) all(records iter.Seq2[logs.Entry, error], file string) error {
	for e, err := range records {
		switch {
		case err != nil && d.in.ctx.Err() != nil:
			return d.in.ctx.Err()
		case err != nil:
			d.trouble(err)
		default:
			if err := d.record(e, file); err != nil {
				return err
			}
		}
		if d.out.err != nil {
			return d.out.err
		}
	}
	return nil
}

const stdinName = "-"

// named dumps a file. An error of reading is noted; the one returned is of writing.
func (d *dumping) named(name string) error {
	path, err := typed(name)
	if name == stdinName {
		path, err = spool(d.in.stdin)
		defer os.Remove(path)
	}
	if err != nil {
		d.trouble(err)
		return nil
	}
	if d.force == nil && !d.follow {
		if l := openLastlog(path, name); l != nil {
			return d.lastlog(l, name)
		}
	}
	log := logs.New(path, logs.Options{Torn: true, Force: d.force, Other: otherForm})
	if d.follow {
		log = d.log(path, false) // the last record's bytes are asked for later
	}
	f, err := log.Open(d.in.ctx, path)
	if err == nil && isState(name) && d.force == nil && !f.Other() {
		// A utmpx file is no log: it has slots, and blank ones are no damage.
		layout := f.Layout()
		f.Close()
		log = logs.New(path, logs.Options{Torn: true, Force: layout})
		f, err = log.Open(d.in.ctx, path)
	}
	if err != nil {
		d.trouble(err)
		return nil
	}
	defer f.Close()
	last, err := d.file(f, name)
	if err != nil || !d.follow {
		return err
	}
	at := last.Position()
	if last.Raw() == "" {
		if at, err = log.End(d.in.ctx); err != nil {
			d.trouble(err)
		}
	}
	return d.all(log.Follow(d.in.ctx, at), name)
}

// file dumps an open file, and returns its last record.
func (d *dumping) file(f *logs.File, name string) (last logs.Entry, err error) {
	if !d.follow {
		f.Reuse()
	}
	var end int64 // of what was read
	for e, err := range f.Forward(0) {
		var damage *logs.DamageError
		switch {
		case errors.As(err, &damage):
			end = damage.To
			if name == stdinName {
				damage.Name = "standard input"
			}
			d.trouble(err)
		case err != nil:
			d.trouble(err)
			return last, d.in.ctx.Err()
		default:
			if err := d.record(e, name); err != nil {
				return last, err
			}
			last, end = e, e.Offset+int64(len(e.Raw()))
		}
	}
	if rest := f.Size() - end; rest > 0 && !f.Compressed() && !f.Other() && !d.follow {
		d.trouble(&logs.DamageError{Name: name, From: end, To: f.Size(), Records: 1})
	}
	return last, nil
}

// stateName is what the name of a utmpx file looks like.
var stateName = regexp.MustCompile(`^utmpx?\b`)

// isState reports whether a name is that of a utmpx file, which holds the state and no
// history.
func isState(name string) bool { return stateName.MatchString(filepath.Base(name)) }

// spool copies standard input to a file, and returns its name: a layout and damage are found
// by looking at more than one place.
func spool(r io.Reader) (string, error) {
	f, err := os.CreateTemp("", "utmpctl-*")
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return f.Name(), fmt.Errorf("standard input: %w", err)
	}
	return f.Name(), nil
}
