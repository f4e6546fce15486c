// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// odd are records that no program should have written.
func odd(pid int) map[string]rec {
	long := ""
	for i := range 249 {
		long += string([]byte{byte(i + 1)})
	}
	user := func(host string, pid int) rec {
		r := login("x", "pts/9", pid, time.Now().Add(-500*time.Second))
		r.host = host
		return r
	}
	of42 := user("", pid)
	of42.typ = 42
	return map[string]rec{
		"type 42":             of42,
		"a control character": user("\x1b[31mevil", pid),
		"a negative pid":      user("h", -1),
		"noise as a host":     user(long, pid),
	}
}

// TestOddRecords has odd records beside good ones in the utmpx file. What is good is
func TestOddRecords(t *testing.T) {
	for name := range odd(0) {
		for _, good := range []int{1, 2, 8} {
			t.Run(fmt.Sprintf("%s beside %d", name, good), func(t *testing.T) {
				if !enter(t) {
					return
				}
				dead := gone(t)
				file := []rec{boot(machineBoot(t)), odd(dead)[name]}
				for i := range good {
					file = append(file, login("bob", fmt.Sprintf("pts/%d", 70+i), dead, time.Now().Add(-10*time.Minute)))
				}
				ghosts(t, file, good)
			})
		}
	}
}

// ghosts starts utmpd on a file and waits until that many sessions of bob's are cleaned.
func ghosts(t *testing.T, file []rec, want int) {
	t.Helper()
	w := newWorld(t, x86.bytes(file...), x86.bytes(boot(machineBoot(t))))
	w.start(t)
	await(t, fmt.Sprintf("%d ghosts are cleaned", want), func() bool {
		n := 0
		for _, r := range records(t, w.utmp) {
			if r.typ == typeDead && strings.HasPrefix(r.line, "pts/7") {
				n++
			}
		}
		return n == want
	})
}
