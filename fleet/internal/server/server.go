// SPDX-License-Identifier: BSD-2-Clause

// Package server is utmpfleet-server: a NATS server with JetStream inside, its streams, and
// the keys of a fleet.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/jwt/v2"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/streams"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/atomicfile"
)

// Config is what a server is told.
type Config struct {
	Dir    string // keys and stored events
	Listen string // an address; beyond loopback only with TLS
	Cert   string // of TLS, with Key
	Key    string
	Limits wire.Limits
	Log    *slog.Logger
	// Monitor is where NATS serves its own metrics and health by HTTP, on loopback; "": nowhere.
	Monitor string
	Ready   func(*Server)     // called once agents can connect
	Well    func(said string) // called while the server answers; nil: nobody is told
}

// Server is one that runs.
type Server struct {
	cfg    Config
	nats   *natsd.Server
	ring   *keys.Ring
	broken chan error

	resolver *natsd.MemAccResolver
	revoked  int64           // bytes of the file that were read
	full     map[string]bool // streams
}

// ErrStore is the error of a store that can no longer be written. NATS refuses every event
// from then on, also when there is room again, until it is started again.
var ErrStore = errors.New("the store cannot be written")

// maxStore is more than anybody keeps: each stream has its own limit. Without one NATS takes a
// part of what is free on the disk when it starts.
const maxStore = 1 << 60

// maxMemory is the most that streams in memory take.
const maxMemory = 128 << 20

// Run serves until ctx ends, or the store fails.
func Run(ctx context.Context, cfg Config) error {
	s := &Server{cfg: cfg, broken: make(chan error, 1), resolver: &natsd.MemAccResolver{}, full: map[string]bool{}}
	opts, err := s.options()
	if err != nil {
		return err
	}
	if s.nats, err = natsd.NewServer(opts); err != nil {
		return err
	}
	s.nats.SetLoggerV2(&logger{s: s}, false, false, false)
	s.nats.Start()
	defer func() {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}()
	if !s.nats.ReadyForConnections(time.Minute) {
		select {
		case err := <-s.broken:
			return err
		default:
			return fmt.Errorf("listen on %s: it did not start", cfg.Listen)
		}
	}
	nc, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := s.readerCreds(); err != nil {
		return err
	}
	if cfg.Ready != nil {
		cfg.Ready(s)
	}
	return s.serve(ctx, nc)
}

func (s *Server) options() (*natsd.Options, error) {
	cfg := s.cfg
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %q is no port", cfg.Listen, port)
	}
	secure := cfg.Cert != "" || cfg.Key != ""
	if ip := net.ParseIP(host); !secure && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %s: beyond this machine only with TLS: give -tls-cert and -tls-key, or listen on 127.0.0.1", cfg.Listen)
	}
	if info, err := os.Stat(keys.RevokedFile(filepath.Join(cfg.Dir, "keys"))); err == nil {
		s.revoked = info.Size()
	}
	if s.ring, err = keys.Open(filepath.Join(cfg.Dir, "keys")); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := errors.Join(s.resolver.Store(s.ring.Account.Subject, s.ring.JWT), s.resolver.Store(s.ring.System.Subject, s.ring.SysJWT)); err != nil {
		return nil, err
	}
	o := &natsd.Options{
		ServerName: "utmpfleet", Host: host, Port: int(n), NoSigs: true,
		TrustedOperators: []*jwt.OperatorClaims{s.ring.Operator}, SystemAccount: s.ring.System.Subject, AccountResolver: s.resolver,
		JetStream: true, StoreDir: filepath.Join(cfg.Dir, "store"),
		JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory,
		MaxPayload: wire.MaxOn, MaxControlLine: 4096, MaxPending: 16 << 20, WriteDeadline: 10 * time.Second,
		DisableShortFirstPing: true,
	}
	if n == 0 {
		o.Port = natsd.RANDOM_PORT
	}
	if cfg.Monitor != "" {
		if err := monitor(o, cfg.Monitor); err != nil {
			return nil, err
		}
	}
	if secure {
		pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
		o.TLS, o.TLSTimeout = true, 10
	}
	return o, nil
}

// monitor has NATS serve its metrics: to this machine alone, since it asks for no credentials.
func monitor(o *natsd.Options, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("-monitor: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("-monitor %s: %q is no port", addr, port)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("-monitor %s: only on this machine, such as 127.0.0.1:8222: it asks for no credentials", addr)
	}
	o.HTTPHost, o.HTTPPort = host, int(n)
	if n == 0 {
		o.HTTPPort = natsd.RANDOM_PORT
	}
	return nil
}

// connect connects to the server itself, and makes the streams.
func (s *Server) connect(ctx context.Context) (*nats.Conn, error) {
	creds, err := s.ring.Creds(keys.Admin, "server")
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect("", nats.InProcessServer(s.nats), nats.UserCredentialBytes(creds), nats.CustomInboxPrefix("_INBOX.server"), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("connect to the server itself: %w", err)
	}
	l, err := streams.Make(ctx, nc, s.cfg.Limits)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if most := wire.EachWithin(l.Bytes, wire.Share); l.Each > most {
		s.cfg.Log.Warn("one host can fill more than an eighth of the store, and remove what others sent", "max-per-subject", l.Each, "within", most)
	}
	return nc, nil
}

// readerCreds leaves credentials for whoever may read the directory, to ask by.
func (s *Server) readerCreds() error {
	name := filepath.Join(s.cfg.Dir, "reader.creds")
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := s.ring.Creds(keys.Reader, "reader")
	if err != nil {
		return err
	}
	return atomicfile.WriteSync(name, 0o600, atomicfile.Bytes(b))
}

// URL returns where agents on this machine connect.
func (s *Server) URL() string { return s.nats.ClientURL() }

// MonitorAddr returns where NATS serves its own metrics; nil: nowhere.
func (s *Server) MonitorAddr() *net.TCPAddr { return s.nats.MonitorAddr() }

// lookEvery is how often the server looks at itself, and at what was revoked.
const lookEvery = 2 * time.Second

func (s *Server) serve(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s.look(ctx, js)
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.broken:
			return err
		case <-tick.C:
		}
		if err := s.readRevoked(); err != nil {
			s.cfg.Log.Error("what was revoked cannot be read: whoever was revoked since can connect", "error", err)
		}
	}
}

// look asks the server as a client does, and warns once a stream is nearly as large as it
// may be: the oldest events go then. A server that does not answer is not said to be well.
func (s *Server) look(ctx context.Context, js jetstream.JetStream) {
	all, err := streams.Look(ctx, js)
	if err != nil {
		if ctx.Err() == nil {
			s.cfg.Log.Error("the server does not answer", "error", err)
		}
		return
	}
	for _, u := range all {
		full := u.Part() >= streams.Full
		if full && !s.full[u.Name] {
			s.cfg.Log.Warn("stream is more than 80 % full; when it is full, the oldest events are removed", "stream", u.Name, "bytes", u.Bytes, "most", u.Most)
		}
		s.full[u.Name] = full
	}
	if s.cfg.Well != nil {
		s.cfg.Well(fmt.Sprintf("%d connections; events: %d, %d %% of %s", max(0, s.nats.NumClients()-1), all[0].Messages, all[0].Part(), streams.Size(uint64(all[0].Most))))
	}
}

// readRevoked reads what was revoked since, and ends the connections of those.
func (s *Server) readRevoked() error {
	info, err := os.Stat(keys.RevokedFile(s.ring.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() == s.revoked {
		return err
	}
	ring, err := keys.Open(s.ring.Dir)
	if err != nil {
		return err
	}
	account, err := s.nats.LookupAccount(ring.Account.Subject)
	if err != nil {
		return err
	}
	if err := s.resolver.Store(ring.Account.Subject, ring.JWT); err != nil {
		return err
	}
	claims, err := jwt.DecodeAccountClaims(ring.JWT)
	if err != nil {
		return err
	}
	s.nats.UpdateAccountClaims(account, claims)
	s.ring, s.revoked = ring, info.Size()
	s.cfg.Log.Info("credentials were revoked", "in all", len(claims.Revocations))
	return nil
}

func (s *Server) fail(err error) {
	select {
	case s.broken <- err:
	default:
	}
}
