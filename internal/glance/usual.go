// SPDX-License-Identifier: BSD-2-Clause

package glance

import (
	"encoding/binary"

	"utmpd.dev/utmpd/utmpx"
)

// Usual returns what most records of [utmpx.Glibc384LE] are about, in one look: a
// USER_PROCESS or DEAD_PROCESS of a short line, as [Fields.ShortLine] has it. ok is false for
// all others. The offsets are constants, so that none is checked.
func Usual(b []byte) (typ utmpx.Type, at utmpx.Time, pid int32, first, second uint64, ok bool) {
	b = b[:384]
	typ = utmpx.Type(binary.LittleEndian.Uint16(b))
	first, second = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	if line := byte(first); typ != utmpx.UserProcess && typ != utmpx.DeadProcess || line == 0 || line == '~' {
		return
	}
	if end := firstNUL(first); end != 0 {
		first, second = first&(end>>7-1), 0
	} else if end = firstNUL(second); end != 0 {
		second &= end>>7 - 1
	} else {
		return
	}
	at.Sec = int64(binary.LittleEndian.Uint32(b[340:]))
	at.Usec = int64(int32(binary.LittleEndian.Uint32(b[344:])))
	return typ, at, int32(binary.LittleEndian.Uint32(b[4:])), first, second, true
}
