// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"

	"utmpd.dev/utmpd/internal/foreign"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

// otherForm returns the form of a file of a system that utmpd does not run on; nil of others.
func otherForm(head []byte) logs.Form {
	if f := foreign.Detect(head); f != nil {
		return f
	}
	return nil
}

// output is how records are written.
type output struct {
	header []byte // of the file
	layout *utmpx.Layout
	record func(b []byte, r utmpx.Record) ([]byte, error)
}

// from returns how a record of another layout is written. What it converts, it tells c.
func (o output) from(c *foreign.Converter, b []byte, r utmpx.Record, l *utmpx.Layout) ([]byte, error) {
	return o.record(b, c.Convert(r, l, o.layout))
}

// otherIDs says that records have other identifiers than before; "" if none has.
func otherIDs(c *foreign.Converter, as *utmpx.Layout) string {
	if c.IDs == 0 {
		return ""
	}
	return fmt.Sprintf("%s of %s: it has four bytes, and the end of the line stands for it",
		count(c.IDs, "record has an identifier that is none", "records have an identifier that is none"), as)
}

// freebsdLog is the name of the form of FreeBSD's utx.log, whose records have layouts of
// their own.
const freebsdLog = "freebsd-log"

func outputNames() []string { return append(layoutNames(), freebsdLog) }

// outputOf returns how a file of that layout is written.
func outputOf(name string) (output, error) {
	if name == freebsdLog {
		return output{layout: utmpx.FreeBSD197, record: foreign.Log.Append}, nil
	}
	l, err := layoutOf(name)
	if err != nil {
		return output{}, err
	}
	return outputIn(l), nil
}

// outputIn returns how a file with a record of a layout in each slot is written.
func outputIn(l *utmpx.Layout) output {
	o := output{layout: l, record: l.AppendEncode}
	if f := foreign.FormOf(l); f != nil {
		o.header = f.Header()
	}
	return o
}
