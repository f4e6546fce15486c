// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// decode384 decodes a record of [Glibc384LE]. The offsets are constants, which saves the
// compiler the checks of all bounds but one, and most strings end in their first words,
// which are looked at faster than a call takes: it costs a third of the way that the other
// layouts go.
func (r *Record) decode384(b string) {
	b = b[:size384]
	line, user, host := beforeNUL(le64(b, line384)), beforeNUL(le64(b, user384)), beforeNUL(le64(b, host384))
	if line == 8 {
		if line += beforeNUL(le64(b, line384+8)); line == 16 {
			line = longer(b[line384 : line384+32])
		}
	}
	if user == 8 {
		user = longer(b[user384 : user384+32])
	}
	if host == 8 {
		if host += beforeNUL(le64(b, host384+8)); host == 16 {
			host = longer(b[host384 : host384+256])
		}
	}
	r.Line, r.User, r.Host = b[line384:line384+line], b[user384:user384+user], b[host384:host384+host]
	r.ID = b[id384 : id384+min(4, beforeNUL(uint64(le32(b, id384))))]
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

// longer returns the length of a text in a field whose first word has no NUL.
func longer(s string) int {
	for n := 8; n < 32; n += 8 {
		if k := beforeNUL(le64(s, n)); k < 8 {
			return n + k
		}
	}
	if i := strings.IndexByte(s[32:], 0); i >= 0 {
		return 32 + i
	}
	return len(s)
}

// beforeNUL returns how many bytes of a word, in little-endian, come before the first that
// is 0; 8 if none is.
func beforeNUL(w uint64) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	return bits.TrailingZeros64((w-ones)&^w&high) / 8
}

func le64(b string, o int) uint64 {
	b = b[o : o+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
