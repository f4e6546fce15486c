// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"testing"
	"time"
)

// generous bounds a wait whose length is not the point of the test.
const generous = 60 * time.Second

// slow is by how much a busy machine may be late where utmpd should be at once.
// What is guarded against there would wait for the next scan, five minutes, or
// for a patience more.
const slow = 5 * time.Second

// waitFor returns when cond holds and fails the test if that takes longer. It
// looks often, but not so often that looking is what keeps the machine busy.
func waitFor(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); ; {
		began := time.Now()
		if cond() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", limit, what)
		}
		time.Sleep(max(5*time.Millisecond, 4*time.Since(began)))
	}
}

// holds fails the test as soon as cond does not hold within the time. It is for
// what must not happen; nothing can be waited for then.
func holds(t *testing.T, d time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if !cond() {
			t.Fatalf("it did not last: %s", what)
		}
	}
}
