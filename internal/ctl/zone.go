// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/binary"
	"os"
	"strings"
	"time"
)

// setLocal makes local times those of the environment's TZ where that has the form of POSIX,
// such as CET-1CEST,M3.5.0,M10.5.0/3. The C library knows it, and small systems have it in
// the place of zone files; package time takes it for UTC.
func setLocal() {
	if l := posixZone(os.Getenv("TZ")); l != nil {
		time.Local = l
	}
}

// posixZone returns the time zone that a TZ of POSIX describes, nil for any other one, also
// for one that is the name of a zone file, such as EST5EDT.
func posixZone(tz string) *time.Location {
	if !strings.ContainsAny(tz, "0123456789") || tz[0] == ':' || tz[0] == '/' {
		return nil // POSIX wants an offset; the others name a file
	}
	if _, err := time.LoadLocation(tz); err == nil {
		return nil
	}
	l, err := time.LoadLocationFromTZData("Local", zoneFile(tz))
	if err != nil {
		return nil
	}
	return l
}

// zoneFile returns a zone file (RFC 8536) without a change of the clock, whose footer has the
// rule for all times to come.
func zoneFile(tz string) []byte {
	var block []byte // as version 1 and, with the wider times that it has none of, version 2
	block = append(block, "TZif2"...)
	block = append(block, make([]byte, 15)...)
	for _, count := range []uint32{0, 0, 0, 0, 1, 4} { // one type of time, four bytes of names
		block = binary.BigEndian.AppendUint32(block, count)
	}
	block = append(block, 0, 0, 0, 0, 0, 0) // no offset, no summer time, the first name
	block = append(block, "UTC\x00"...)
	return []byte(string(block) + string(block) + "\n" + tz + "\n")
}
