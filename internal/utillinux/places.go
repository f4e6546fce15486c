// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"bytes"
	"unsafe"

	"utmpd.dev/utmpd/utmpx"
)

// places are where a layout has the names of a record. Taking out one of them costs a
// fraction of decoding the record.
type places struct{ line, user, host int }

// placesOf finds them by a record that has only one.
func placesOf(layout *utmpx.Layout) places {
	find := func(r utmpx.Record) int {
		b, err := layout.Encode(r)
		if err != nil {
			panic(err) // no layout refuses a letter
		}
		return bytes.IndexByte(b, 'x')
	}
	return places{
		line: find(utmpx.Record{Line: "x"}),
		user: find(utmpx.Record{User: "x"}),
		host: find(utmpx.Record{Host: "x"}),
	}
}

// text returns a name of a record. It shares the memory of b.
func text(b []byte, at, width int) string {
	b = b[at : at+width]
	if n := bytes.IndexByte(b, 0); n >= 0 {
		b = b[:n]
	}
	return shared(b)
}

// shared returns b as a string that is good until b changes.
func shared(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// plain reports whether b has only printable ASCII characters. It looks at eight bytes at
// a time: in each, the highest bit shows one that is not.
func plain(b []byte) bool {
	const ones = 0x0101010101010101
	const high = 0x80 * ones
	for ; len(b) >= 8; b = b[8:] {
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		deleted := w ^ 0x7f*ones
		if (w|(w-' '*ones)|(deleted-ones)&^deleted)&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
