// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"strings"
	"testing"
)

// TestKernelThread checks that a kernel thread can be opened like any process
// and is alive.
func TestKernelThread(t *testing.T) {
	buf := make([]byte, 64)
	n, err := readFile("/proc/2/comm", buf)
	if err != nil || strings.TrimSpace(string(buf[:n])) != "kthreadd" {
		t.Skip("no kernel threads in this pid namespace")
	}
	for name, open := range map[string]func(int32) (*Process, error){"open": Open, "find": Find} {
		p, err := open(2)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ended, reaped := p.Ended(); ended || reaped {
			t.Errorf("%s: Ended() = %v, %v, want false", name, ended, reaped)
		}
		if status := p.Status(); status.Known {
			t.Errorf("%s: Status() = %v, want unknown", name, status)
		}
		p.Close()
	}
}
