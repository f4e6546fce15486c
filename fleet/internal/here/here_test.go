// SPDX-License-Identifier: BSD-2-Clause

package here

import (
	"strings"
	"testing"
)

// TestHere: whoever speaks without TLS connects to this machine alone, whatever nodes
// the server names.
func TestHere(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:4222", "node2.example.org:4222", "[2001:db8::1]:4222", "0.0.0.0:4222"} {
		if c, err := (Dialer{}).Dial("tcp", addr); err == nil || !strings.Contains(err.Error(), "only with TLS") {
			t.Errorf("%s: %v %v", addr, c, err)
		}
	}
	if _, err := (Dialer{}).Dial("tcp", "127.0.0.1:1"); err == nil || strings.Contains(err.Error(), "TLS") {
		t.Errorf("this machine: %v", err)
	}
}
