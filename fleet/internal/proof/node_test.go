// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/streams"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// nodeConfig is what a node of a cluster is told.
type nodeConfig struct {
	Name, Keys, Store, Host string
	Port, Cluster           int
	Routes                  []string
}

const nodeEnv = "UTMPFLEET_PROOF_NODE"

// node is a NATS server of a cluster, as somebody runs it who has one. It returns its exit
// status.
func node() int {
	err := runNode()
	fmt.Fprintln(os.Stderr, "node:", err)
	return 1
}

func runNode() error {
	var c nodeConfig
	if err := json.Unmarshal([]byte(os.Getenv(nodeEnv)), &c); err != nil {
		return err
	}
	s, err := newNode(c)
	if err != nil {
		return err
	}
	if os.Getenv("UTMPFLEET_PROOF_LOG") != "" {
		s.ConfigureLogger()
	}
	s.Start()
	s.WaitForShutdown()
	return errors.New("it ended")
}

func newNode(c nodeConfig) (*natsd.Server, error) {
	ring, err := keys.Open(c.Keys)
	if err != nil {
		return nil, err
	}
	resolver := &natsd.MemAccResolver{}
	err = errors.Join(resolver.Store(ring.Account.Subject, ring.JWT), resolver.Store(ring.System.Subject, ring.SysJWT))
	if err != nil {
		return nil, err
	}
	o := &natsd.Options{
		ServerName: c.Name, Host: c.Host, Port: c.Port, NoSigs: true,
		TrustedOperators: []*jwt.OperatorClaims{ring.Operator}, SystemAccount: ring.System.Subject, AccountResolver: resolver,
		JetStream: true, StoreDir: c.Store, JetStreamMaxStore: 256 << 20, JetStreamMaxMemory: 256 << 20,
		// Nodes reach each other by the routes that they are given, and by no others.
		Cluster: natsd.ClusterOpts{Name: "proof", Host: c.Host, Port: c.Cluster, Advertise: "127.0.0.1:1"},
	}
	for _, r := range c.Routes {
		u, err := url.Parse(r)
		if err != nil {
			return nil, err
		}
		o.Routes = append(o.Routes, u)
	}
	return natsd.NewServer(o)
}

// cluster is one of three nodes, with a way from each to each that can be shut.
type cluster struct {
	t     testing.TB
	ring  *keys.Ring
	dir   string
	nodes [3]*process
	cfg   [3]nodeConfig
	ways  [3][3]*gateWay
}

func newCluster(t testing.TB, stores ...string) *cluster {
	t.Helper()
	c := planCluster(t, stores...)
	for i := range c.nodes {
		c.start(i)
	}
	c.makeStreams()
	return c
}

// planCluster returns a cluster whose nodes do not run yet.
func planCluster(t testing.TB, stores ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir()}
	var err error
	c.ring, err = keys.Open(filepath.Join(c.dir, "keys"))
	check(t, err)
	host, ports := lab.Ports(t, 6)
	for i := range c.cfg {
		name := fmt.Sprint("node", i)
		c.cfg[i] = nodeConfig{Name: name, Keys: c.ring.Dir, Store: filepath.Join(c.dir, name), Host: host, Port: ports[2*i], Cluster: ports[2*i+1]}
		if i < len(stores) && stores[i] != "" {
			c.cfg[i].Store = stores[i]
		}
	}
	for i := range c.cfg {
		for j := range c.cfg {
			if i != j {
				c.ways[i][j] = newGateWay(t, fmt.Sprint(host, ":", c.cfg[j].Cluster))
				c.cfg[i].Routes = append(c.cfg[i].Routes, "nats://"+c.ways[i][j].addr)
			}
		}
	}
	return c
}

func (c *cluster) makeStreams() {
	c.t.Helper()
	var nc *nats.Conn
	var err error
	wait(c.t, "a node answers", func() bool { nc, err = c.connect(keys.Admin, "admin", c.urls()); return err == nil })
	defer nc.Close()
	wait(c.t, "the streams are made", func() bool {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		_, err = streams.Make(ctx, nc, wire.Limits{Age: 24 * time.Hour, Bytes: 32 << 20, Each: 1 << 20, Replicas: 3})
		return err == nil
	})
}

func (c *cluster) start(i int) {
	c.t.Helper()
	b, err := json.Marshal(c.cfg[i])
	check(c.t, err)
	c.nodes[i] = spawn(c.t, "node", nil, nil, []string{nodeEnv + "=" + string(b)})
}

func (c *cluster) url(i int) string { return fmt.Sprint("nats://", c.cfg[i].Host, ":", c.cfg[i].Port) }

func (c *cluster) urls() string { return strings.Join([]string{c.url(0), c.url(1), c.url(2)}, ",") }

func (c *cluster) connect(role keys.Role, name, urls string) (*nats.Conn, error) {
	creds, err := c.ring.Creds(role, name)
	check(c.t, err)
	return nats.Connect(urls, nats.UserCredentialBytes(creds), nats.CustomInboxPrefix("_INBOX."+name), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
}

// creds writes a host's creds file.
func (c *cluster) creds(name string) string {
	b, err := c.ring.Creds(keys.Host, name)
	check(c.t, err)
	file := filepath.Join(c.dir, name+".creds")
	check(c.t, os.WriteFile(file, b, 0o600))
	return file
}

// leader returns which node leads the stream of events, -1 if none does.
func (c *cluster) leader(js jetstream.JetStream) int {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	st, err := js.Stream(ctx, wire.Events)
	if err != nil || st.CachedInfo().Cluster == nil {
		return -1
	}
	for i := range c.cfg {
		if st.CachedInfo().Cluster.Leader == c.cfg[i].Name {
			return i
		}
	}
	return -1
}

// partition shuts, or opens, all ways from and to a node.
func (c *cluster) partition(i int, shut bool) {
	for j := range c.cfg {
		if i != j {
			c.cut(i, j, shut)
		}
	}
}

// cut shuts, or opens, the ways between two nodes.
func (c *cluster) cut(i, j int, shut bool) {
	c.ways[i][j].shut.Store(shut)
	c.ways[j][i].shut.Store(shut)
}

// gateWay passes connections on. While it is shut, nothing comes through, and nobody is told.
type gateWay struct {
	addr string
	shut atomic.Bool
}

func newGateWay(t testing.TB, to string) *gateWay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	g := &gateWay{addr: l.Addr().String()}
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() {
		stop()
		l.Close()
		all.Wait()
	})
	pass := func(from, to net.Conn) {
		b := make([]byte, 64<<10)
		for {
			n, err := from.Read(b)
			for g.shut.Load() && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			if _, writeErr := to.Write(b[:n]); err != nil || writeErr != nil {
				from.Close()
				to.Close()
				return
			}
		}
	}
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			all.Go(func() { pass(in, out) })
			all.Go(func() { pass(out, in) })
		}
	})
	return g
}
