// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// terminal is a user on a serial line.
type terminal struct {
	conn net.Conn

	mu  sync.Mutex
	got string // received and not yet consumed
}

func newTerminal(c net.Conn) *terminal {
	tm := &terminal{conn: c}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			tm.mu.Lock()
			tm.got += string(b[:n])
			tm.mu.Unlock()
		}
	}()
	return tm
}

func (tm *terminal) close() { tm.conn.Close() }

func (tm *terminal) typeln(t *testing.T, s string) {
	t.Helper()
	if _, err := fmt.Fprintf(tm.conn, "%s\n", s); err != nil {
		t.Fatal(err)
	}
}

// expect waits until the line shows s, and drops everything up to it.
func (tm *terminal) expect(t *testing.T, s string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		tm.mu.Lock()
		_, rest, ok := strings.Cut(tm.got, s)
		if ok {
			tm.got = rest
		}
		got := tm.got
		tm.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the serial line never showed %q but %q", s, got)
		}
	}
}

// login logs alice in at the serial line.
func (tm *terminal) login(t *testing.T) {
	t.Helper()
	tm.typeln(t, "")
	tm.expect(t, "login: ")
	tm.typeln(t, "alice")
	tm.expect(t, "Password: ")
	tm.typeln(t, "alice")
	tm.expect(t, "$ ")
}
