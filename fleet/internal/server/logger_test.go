// SPDX-License-Identifier: BSD-2-Clause

package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLines: of each client there are few lines a minute, however many clients there are,
// and how many were left out is said.
func TestLines(t *testing.T) {
	var l logger
	now := time.Unix(1e9, 0)
	said := func(text string) int {
		n := 0
		for i := range 100 {
			if _, ok := l.may(strings.Replace(text, "%d", fmt.Sprint(i), 1), now); ok {
				n++
			}
		}
		return n
	}
	for _, one := range []string{"192.0.2.1:%d - cid:1 - authentication error", "[2001:db8::1]:%d - cid:7 - \"x\" - Publish Violation", "Account fetch failed: account missing"} {
		if n := said(one); n != linesEach {
			t.Errorf("%s: %d lines", one, n)
		}
	}
	now = now.Add(linesEvery)
	if more, ok := l.may("192.0.2.1:7 - cid:1 - authentication error", now); !ok || fmt.Sprint(more) != fmt.Sprint([]any{"left out before", 100 - linesEach}) {
		t.Errorf("%v %v", more, ok)
	}
	n := 0
	for i := range 3 * mostSaid {
		if _, ok := l.may(fmt.Sprintf("10.0.%d.%d:1 - cid:1 - x", i/256, i%256), now); ok {
			n++
		}
	}
	if n > mostSaid+linesEach || len(l.said) > mostSaid+1 {
		t.Errorf("%d lines, of %d clients", n, len(l.said))
	}
}
