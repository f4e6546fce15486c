// SPDX-License-Identifier: BSD-2-Clause

package server_test

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// TestLogFlood: hosts that are refused, again and again, do not fill the log.
func TestLogFlood(t *testing.T) {
	s := lab.Start(t)
	other := lab.Start(t)
	creds := other.Creds(keys.Host, "stranger")
	for range 50 {
		if nc, err := nats.Connect(s.URL(), nats.UserCredentials(creds)); err == nil {
			nc.Close()
			t.Fatal("it is let in")
		}
	}
	evil := s.Connect(keys.Host, "evil", nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	for i := range 300 {
		check(t, evil.Publish(wire.Subject("victim", fmt.Sprint("k", i), "root"), nil))
	}
	check(t, evil.Flush())
	if n := len(s.Lines()); n > 10 {
		t.Errorf("%d lines: %q", n, s.Lines())
	}
}
