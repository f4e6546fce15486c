// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// decode384 decodes a record of [Glibc384LE]. The offsets are constants, which saves the
// compiler the checks of most bounds. A text's end is looked for in words, and here: a call
// takes longer than most texts, and to find the NUL's place within a word takes as long as to
// look at three words whether they have one. It costs a quarter of the way that the other
// layouts go.
func (r *Record) decode384(b string) {
	b = b[:size384]
	line, m := 0, nuls(le64(b, line384))
	for m == 0 && line < 24 {
		line += 8
		m = nuls(le64(b, line384+line))
	}
	line += before(m)
	user, m := 0, nuls(le64(b, user384))
	for m == 0 && user < 24 {
		user += 8
		m = nuls(le64(b, user384+user))
	}
	user += before(m)
	host, m := 0, nuls(le64(b, host384))
	for m == 0 && host < 248 {
		host += 8
		m = nuls(le64(b, host384+host))
	}
	host += before(m)
	id := min(4, before(nuls(uint64(le32(b, id384)))))
	r.Line, r.ID, r.User, r.Host = b[line384:][:line], b[id384:][:id], b[user384:][:user], b[host384:][:host]
	r.Type = Type(le16(b, type384))
	r.PID = int32(le32(b, pid384))
	r.Exit = Exit{int16(le16(b, exit384)), int16(le16(b, exit384+2))}
	r.Session = int64(int32(le32(b, session384)))
	r.Time = Time{int64(le32(b, sec384)), int64(int32(le32(b, usec384)))}
	r.Addr = [16]byte([]byte(b[addr384 : addr384+16]))
}

// encode384 overwrites b with a record of [Glibc384LE] that was not decoded. It reports false
// of one that does not fit, and leaves it to the way of the other layouts to say why.
func (r *Record) encode384(b []byte) bool {
	b = b[:size384]
	if len(r.Line) > 32 || len(r.ID) > 4 || len(r.User) > 32 || len(r.Host) > 256 ||
		r.Session != int64(int32(r.Session)) || r.Time.Sec != int64(uint32(r.Time.Sec)) || r.Time.Usec != int64(int32(r.Time.Usec)) {
		return false
	}
	for _, s := range [...]string{r.Line, r.ID, r.User, r.Host} {
		if strings.IndexByte(s, 0) >= 0 {
			return false
		}
	}
	clear(b)
	binary.LittleEndian.PutUint16(b[type384:], uint16(r.Type))
	binary.LittleEndian.PutUint32(b[pid384:], uint32(r.PID))
	copy(b[line384:], r.Line)
	copy(b[id384:], r.ID)
	copy(b[user384:], r.User)
	copy(b[host384:], r.Host)
	binary.LittleEndian.PutUint16(b[exit384:], uint16(r.Exit.Termination))
	binary.LittleEndian.PutUint16(b[exit384+2:], uint16(r.Exit.Exit))
	binary.LittleEndian.PutUint32(b[session384:], uint32(r.Session))
	binary.LittleEndian.PutUint32(b[sec384:], uint32(r.Time.Sec))
	binary.LittleEndian.PutUint32(b[usec384:], uint32(r.Time.Usec))
	copy(b[addr384:], r.Addr[:])
	return true
}

// nuls returns a word that is 0 if no byte of w is. Else its lowest bit is in the first byte
// that is 0, in little-endian.
func nuls(w uint64) uint64 {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	return (w - ones) &^ w & high
}

// before returns how many bytes come before the one with the lowest bit of m; 8 if m is 0.
func before(m uint64) int { return bits.TrailingZeros64(m) / 8 }

func le64(b string, o int) uint64 {
	b = b[o : o+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
