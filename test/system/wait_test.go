// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"testing"
	"time"
)

// generous limits a wait whose length does not matter to the test.
const generous = 60 * time.Second

// slow is how late utmpd may be on a busy machine where it should act at once. The
// errors that this detects would wait for the next scan, five minutes, or another
// patience.
const slow = 5 * time.Second

// waitFor returns when cond holds and fails the test after limit. It polls often, but
// not so often that polling keeps the machine busy.
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

// holds fails the test as soon as cond does not hold during the given time. It checks
// that something does not happen.
func holds(t *testing.T, d time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if !cond() {
			t.Fatalf("no longer true: %s", what)
		}
	}
}
