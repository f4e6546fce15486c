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
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/keys"
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
	Ready  func(*Server) // called once agents can connect
}

// Server is one that runs.
type Server struct {
	cfg    Config
	nats   *natsd.Server
	ring   *keys.Ring
	broken chan error
}

// ErrStore is the error of a store that can no longer be written. NATS refuses every event
// from then on, also when there is room again, until it is started again.
var ErrStore = errors.New("the store cannot be written")

// maxMemory is the most that streams in memory take.
const maxMemory = 128 << 20

// Run serves until ctx ends, or the store fails.
func Run(ctx context.Context, cfg Config) error {
	s := &Server{cfg: cfg, broken: make(chan error, 1)}
	opts, err := s.options()
	if err != nil {
		return err
	}
	if s.nats, err = natsd.NewServer(opts); err != nil {
		return err
	}
	s.nats.SetLoggerV2(&logger{s}, false, false, false)
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
	if err := s.streams(ctx); err != nil {
		return err
	}
	if err := s.readerCreds(); err != nil {
		return err
	}
	if most := wire.EachWithin(cfg.Limits.Bytes); cfg.Limits.Each > most {
		cfg.Log.Warn("one host can fill more than an eighth of the store, and remove what others sent", "max-per-subject", cfg.Limits.Each, "within", most)
	}
	if cfg.Ready != nil {
		cfg.Ready(s)
	}
	return s.serve(ctx)
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
	if s.ring, err = keys.Open(filepath.Join(cfg.Dir, "keys")); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	resolver := &natsd.MemAccResolver{}
	if err := errors.Join(resolver.Store(s.ring.Account.Subject, s.ring.JWT), resolver.Store(s.ring.System.Subject, s.ring.SysJWT)); err != nil {
		return nil, err
	}
	o := &natsd.Options{
		ServerName: "utmpfleet", Host: host, Port: int(n), NoSigs: true,
		TrustedOperators: []*jwt.OperatorClaims{s.ring.Operator}, SystemAccount: s.ring.System.Subject, AccountResolver: resolver,
		JetStream: true, StoreDir: filepath.Join(cfg.Dir, "store"),
		JetStreamMaxStore: cfg.Limits.Bytes + cfg.Limits.Bytes/4 + 1<<20, JetStreamMaxMemory: maxMemory,
		MaxPayload: wire.MaxOn, MaxControlLine: 4096, MaxPending: 16 << 20, WriteDeadline: 10 * time.Second,
		DisableShortFirstPing: true,
	}
	if n == 0 {
		o.Port = natsd.RANDOM_PORT
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

// streams makes the streams, or gives them the limits they are to have.
func (s *Server) streams(ctx context.Context) error {
	creds, err := s.ring.Creds(keys.Admin, "server")
	if err != nil {
		return err
	}
	nc, err := nats.Connect("", nats.InProcessServer(s.nats), nats.UserCredentialBytes(creds), nats.CustomInboxPrefix("_INBOX.server"))
	if err != nil {
		return fmt.Errorf("connect to the server itself: %w", err)
	}
	defer nc.Close()
	return MakeStreams(ctx, nc, s.cfg.Limits)
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

// MakeStreams makes the streams of a fleet, or changes their limits.
func MakeStreams(ctx context.Context, nc *nats.Conn, l wire.Limits) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	for _, c := range wire.Streams(l) {
		ctx, stop := context.WithTimeout(ctx, 30*time.Second)
		_, err := js.CreateOrUpdateStream(ctx, c)
		stop()
		if err != nil {
			return fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	return nil
}

// URL returns where agents on this machine connect.
func (s *Server) URL() string { return s.nats.ClientURL() }

// lookEvery is how often the use of the store is looked at.
const lookEvery = 2 * time.Second

func (s *Server) serve(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	full := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.broken:
			return err
		case <-tick.C:
			full = s.look(full)
		}
	}
}

// look warns once the store is nearly as large as it may be: the oldest events go then.
func (s *Server) look(was bool) bool {
	info, err := s.nats.Jsz(&natsd.JSzOptions{})
	if err != nil {
		s.cfg.Log.Error("store cannot be looked at", "error", err)
		return was
	}
	full := info.Store > uint64(s.cfg.Limits.Bytes)/5*4
	if full && !was {
		s.cfg.Log.Warn("store is more than 80 % full; when it is full, the oldest events are removed", "bytes", info.Store, "most", s.cfg.Limits.Bytes)
	}
	return full
}

// logger takes what NATS logs.
type logger struct{ s *Server }

func (l *logger) Noticef(f string, v ...any) { l.s.cfg.Log.Debug(fmt.Sprintf(f, v...)) }
func (l *logger) Debugf(string, ...any)      {}
func (l *logger) Tracef(string, ...any)      {}
func (l *logger) Warnf(f string, v ...any)   { l.s.cfg.Log.Warn(fmt.Sprintf(f, v...)) }

func (l *logger) Errorf(f string, v ...any) {
	text := fmt.Sprintf(f, v...)
	l.s.cfg.Log.Error(text)
	if storeFailed(text) {
		l.s.fail(fmt.Errorf("%w: %s", ErrStore, text))
	}
}

// storeFailed reports whether NATS says that it can store no more. What it says of a
// connection begins with its address, and has names that its client chose.
func storeFailed(text string) bool {
	store := strings.HasPrefix(text, "JetStream ") || strings.HasPrefix(text, "Filestore ") || strings.HasPrefix(text, "RAFT ")
	text = strings.ToLower(text)
	return store && (strings.Contains(text, "critical write error") || strings.Contains(text, "will be disabled"))
}

func (l *logger) Fatalf(f string, v ...any) {
	err := fmt.Errorf(f, v...)
	l.s.cfg.Log.Error(err.Error())
	l.s.fail(err)
}

func (s *Server) fail(err error) {
	select {
	case s.broken <- err:
	default:
	}
}
