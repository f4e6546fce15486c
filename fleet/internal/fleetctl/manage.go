// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/streams"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// prepareRevoke is the command revoke.
func prepareRevoke(in *call) func([]string) error {
	dir := in.flags.String("dir", defaultServerDir, "the server's `DIR`")
	reader := in.flags.Bool("reader", false, "credentials for questions, not those of a host")
	return func(args []string) error {
		ring, err := openRing(*dir)
		if err != nil {
			return err
		}
		role := keys.Host
		if *reader {
			role = keys.Reader
		}
		n, err := ring.Revoke(role, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(in.stdout, "%s: %d revoked\n", text(args[0]), n)
		return nil
	}
}

// openRing opens the keys of a fleet that has some.
func openRing(dir string) (*keys.Ring, error) {
	dir = filepath.Join(dir, "keys")
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("%w; the keys are made when utmpfleet-server starts first, or by utmpfleet nats-config", err)
	}
	return keys.Open(dir)
}

// prepareStreams is the command streams.
func prepareStreams(in *call) func([]string) error {
	dir := in.flags.String("dir", defaultServerDir, "the fleet's `DIR` of keys")
	var w where
	w.server(in)
	var l wire.Limits
	in.flags.DurationVar(&l.Age, "max-age", 0, "keep events for `DURATION`, such as 2160h")
	size := in.flags.String("max-bytes", "", "keep at most `SIZE` of events, such as 500M or 20G")
	in.flags.Int64Var(&l.Each, "max-per-subject", 0, "keep `N` events of a host, of one kind and one sixteenth of the users; else so many that a host can fill an eighth of SIZE")
	in.flags.Int64Var(&l.Share, "share", 0, "in place of -max-per-subject: a host can fill 1/`N` of SIZE, so that up to N that flood remove nothing of others")
	in.flags.IntVar(&l.Replicas, "replicas", 0, "keep them on `N` nodes of a cluster, such as 3")
	return func([]string) (err error) {
		if *size != "" {
			if l.Bytes, err = streams.ParseSize(*size); err != nil {
				return usageError{err}
			}
		}
		if l.Age < 0 || l.Each < 0 || l.Share < 0 || l.Replicas < 0 {
			return usageError{fmt.Errorf("a number below 0")}
		}
		ring, err := openRing(*dir)
		if err != nil {
			return err
		}
		creds, err := ring.Creds(keys.Admin, "streams")
		if err != nil {
			return err
		}
		nc, err := w.connect("streams", nats.UserCredentialBytes(creds))
		if err != nil {
			return err
		}
		defer nc.Close()
		if l, err = streams.Make(in.ctx, nc, l); err != nil {
			return err
		}
		fmt.Fprintf(in.stdout, "events are kept for %v, up to %s, on %d nodes; of one host up to %d of a kind\n",
			l.Age.Round(time.Second), streams.Size(uint64(l.Bytes)), l.Replicas, l.Each)
		return nil
	}
}

// prepareConfig is the command nats-config.
func prepareConfig(in *call) func([]string) error {
	dir := in.flags.String("dir", defaultServerDir, "the fleet's `DIR` of keys, which are made if they are missing")
	return func([]string) error {
		ring, err := keys.Open(filepath.Join(*dir, "keys"))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(in.stdout, `# For nats-server.conf of each node, together with jetstream, cluster and tls. After
# utmpfleet revoke: print it again, and nats-server --signal reload.
operator: %s
system_account: %s
resolver: MEMORY
resolver_preload: {
  %s: %s
  %s: %s
}
max_payload: %d
`, ring.OpJWT, ring.System.Subject, ring.Account.Subject, ring.JWT, ring.System.Subject, ring.SysJWT, wire.MaxOn)
		return err
	}
}
