// SPDX-License-Identifier: BSD-2-Clause

// Package here connects to this machine alone: what agents and questions send and read
// without TLS stays on it.
package here

import (
	"fmt"
	"net"
	"time"

	"utmpd.dev/utmpd/fleet/internal/wire"
)

// Dialer connects to addresses of this machine. It is a CustomDialer of nats.go: a node of a
// cluster names the others, and the client connects to them if it loses the first.
type Dialer struct{}

// Dial connects to an address. One beyond this machine is an error. It gives up after two
// seconds.
func (Dialer) Dial(network, addr string) (net.Conn, error) {
	if beyond, err := wire.Beyond("nats://" + addr); err != nil || beyond {
		return nil, fmt.Errorf("%s: beyond this machine only with TLS", addr)
	}
	return net.DialTimeout(network, addr, 2*time.Second)
}
