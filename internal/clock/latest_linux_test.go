// SPDX-License-Identifier: BSD-2-Clause

package clock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// On 32 bits, seconds that do not fit would be of 1990, and the timer expire all the time.
func TestLatest(t *testing.T) {
	at := unix.Timespec{Sec: latest}
	if left := time.Until(time.Unix(int64(at.Sec), 0)); left < 365*24*time.Hour {
		t.Errorf("the timer expires in %v", left)
	}
}
