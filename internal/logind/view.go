// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"net"
	"slices"
	"strings"
)

// Address is the socket of the system bus.
//
// Source: D-Bus Specification, System message bus.
const Address = "/run/dbus/system_bus_socket"

// View is what is known of logind's sessions at one moment. It does not change.
type View struct {
	Known    bool      // logind answers: Sessions are all that it has
	Err      error     // why not
	Sessions []Session // by path; if not Known, the last ones that were
}

func (v View) equal(other View) bool {
	return v.Known == other.Known && v.Err == other.Err && slices.Equal(v.Sessions, other.Sessions)
}

// logins returns the view with those sessions alone in which somebody has logged in.
func (v View) logins() View {
	v.Sessions = slices.DeleteFunc(slices.Clone(v.Sessions), func(s Session) bool { return !s.Login() })
	return v
}

// WithoutHosts returns the view without the names and addresses of other machines. The display
// of this one, such as :0, stays.
func (v View) WithoutHosts() View {
	v.Sessions = slices.Clone(v.Sessions)
	for i := range v.Sessions {
		s := &v.Sessions[i]
		s.RemoteHost = ""
		if !strings.HasPrefix(s.Display, ":") {
			s.Display = ""
		}
	}
	return v
}

// Source listens to logind.
type Source struct {
	Address string // of the bus: a socket in the file system

	// Wake has a missing bus looked for again, and the sessions listed again: the bus drops
	// signals for whoever is slow. A bus that is there and fails is tried again by itself,
	// seldom.
	Wake <-chan struct{}

	view View
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: of package net
}
