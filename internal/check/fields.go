// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"utmpd.dev/utmpd/utmpx"
)

// fields are where a layout keeps what most records are checked by, as its codec shows.
type fields struct {
	order     binary.ByteOrder
	pid       int
	line, end int
	user      int
}

// fieldsOf finds the fields by encoding records.
func fieldsOf(l *utmpx.Layout) fields {
	first := func(r utmpx.Record) (off, end int) {
		b, err := l.Encode(r)
		if err != nil {
			panic(err) // the records here fit every layout
		}
		isSet := func(r rune) bool { return r != 0 }
		return bytes.IndexFunc(b, isSet), bytes.LastIndexFunc(b, isSet) + 1
	}
	f := fields{order: binary.LittleEndian}
	f.pid, _ = first(utmpx.Record{PID: 1})
	if high, _ := first(utmpx.Record{PID: 1 << 24}); high < f.pid {
		f.order, f.pid = binary.BigEndian, high
	}
	const widest = "01234567890123456789012345678901"
	f.line, f.end = first(utmpx.Record{Line: widest})
	f.user, _ = first(utmpx.Record{User: widest})
	return f
}

func (f *fields) pidOf(b []byte) int32 { return int32(f.order.Uint32(b[f.pid:])) }

// lineOf returns the line, in the memory of b.
func (f *fields) lineOf(b []byte) string {
	line := b[f.line:f.end]
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	return unsafe.String(unsafe.SliceData(line), len(line))
}
