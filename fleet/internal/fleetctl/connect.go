// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/here"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

const (
	defaultServerDir = "/var/lib/utmpfleet-server"
	defaultURL       = "nats://127.0.0.1:4222"
)

// where is how a server is reached.
type where struct {
	url, creds, ca string
}

// options adds the options for it.
func (w *where) options(in *call, creds string) {
	w.server(in)
	in.flags.StringVar(&w.creds, "creds", cmp.Or(os.Getenv("UTMPFLEET_CREDS"), creds), "the credentials' `FILE`; UTMPFLEET_CREDS is the default")
}

// server adds the options that do not say who asks.
func (w *where) server(in *call) {
	in.flags.StringVar(&w.url, "server", cmp.Or(os.Getenv("NATS_URL"), defaultURL), "the server's `URL`; NATS_URL is the default")
	in.flags.StringVar(&w.ca, "ca", os.Getenv("UTMPFLEET_CA"), "`FILE` of the authorities that vouch for the server; UTMPFLEET_CA is the default, else those of the system")
}

// name returns whose credentials a file has.
func name(creds string) (string, error) {
	b, err := os.ReadFile(creds)
	if err != nil {
		return "", fmt.Errorf("credentials: %w", err)
	}
	token, err := jwt.ParseDecoratedJWT(b)
	if err != nil {
		return "", fmt.Errorf("credentials: %s: %w", creds, err)
	}
	claims, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return "", fmt.Errorf("credentials: %s: %w", creds, err)
	}
	return wire.Name(claims.Name)
}

// connect connects as one whose inbox is that of a name.
func (w *where) connect(token string, opts ...nats.Option) (*nats.Conn, error) {
	secure, err := wire.Beyond(w.url)
	if err != nil {
		return nil, usageError{err}
	}
	opts = append([]nats.Option{nats.CustomInboxPrefix("_INBOX." + token), nats.NoReconnect()}, opts...)
	if secure {
		opts = append(opts, nats.Secure())
	} else {
		opts = append(opts, nats.SetCustomDialer(here.Dialer{}))
	}
	if w.ca != "" {
		opts = append(opts, nats.RootCAs(w.ca))
	}
	nc, err := nats.Connect(w.url, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", w.url, err)
	}
	return nc, nil
}

// again connects again after an interruption, and says so.
func again(in *call) []nats.Option {
	return []nats.Option{
		func(o *nats.Options) error { o.AllowReconnect = true; return nil },
		nats.MaxReconnects(-1), nats.ReconnectWait(time.Second), nats.ReconnectJitter(time.Second, time.Second),
		nats.PingInterval(10 * time.Second), nats.IgnoreAuthErrorAbort(),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() && err != nil {
				fmt.Fprintln(in.stderr, "utmpfleet: interrupted; it goes on when the server is there:", text(err.Error()))
			}
		}),
	}
}

// client connects for questions.
func (w *where) client(in *call, opts ...nats.Option) (*ask.Client, func(), error) {
	who, err := name(w.creds)
	if err != nil {
		return nil, nil, err
	}
	nc, err := w.connect(wire.Token(who), append(opts, nats.UserCredentials(w.creds))...)
	if err != nil {
		return nil, nil, err
	}
	c, err := ask.New(nc, func(err error) { fmt.Fprintln(in.stderr, "utmpfleet: not believed:", text(err.Error())) })
	return c, nc.Close, err
}

// credentials makes those of a host, or of one who asks.
func credentials(dir, name string, reader bool) ([]byte, error) {
	if len(name) == 0 || len(name) > 64 || strings.ContainsAny(name, "\x00\n") {
		return nil, errors.New("the name of a host has 1 to 64 bytes")
	}
	ring, err := openRing(dir)
	if err != nil {
		return nil, err
	}
	role := keys.Host
	if reader {
		role = keys.Reader
	}
	return ring.Creds(role, name)
}
