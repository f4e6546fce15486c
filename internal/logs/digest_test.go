// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// TestDigestOfLongRecords: each byte of a record counts, in the longest layout too.
func TestDigestOfLongRecords(t *testing.T) {
	for _, l := range utmpx.Foreign() {
		b := make([]byte, l.Size())
		was := digestOf(b)
		b[len(b)-1] = 1
		if digestOf(b) == was {
			t.Errorf("%s: records that differ in their last byte have one digest", l)
		}
	}
}
