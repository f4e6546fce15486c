// SPDX-License-Identifier: BSD-2-Clause

package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/server"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// TestListen: beyond loopback only with TLS.
func TestListen(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:4222"} {
		dir := t.TempDir()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		err := server.Run(ctx, server.Config{Dir: dir, Listen: addr, Log: slog.New(slog.DiscardHandler)})
		stop()
		if err == nil || !strings.Contains(err.Error(), "only with TLS") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// TestMonitor: NATS' own metrics and health are served on this machine, and nowhere else.
func TestMonitor(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cfg := server.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Monitor: "0.0.0.0:0", Limits: wire.Limits{Bytes: 1 << 20}, Log: slog.New(slog.DiscardHandler)}
	if err := server.Run(ctx, cfg); err == nil || !strings.Contains(err.Error(), "only on this machine") {
		t.Errorf("0.0.0.0: %v", err)
	}
	cfg.Monitor = "127.0.0.1:0"
	addr := make(chan string, 1)
	cfg.Ready = func(s *server.Server) { addr <- s.MonitorAddr().String() }
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, cfg) }()
	var at string
	select {
	case at = <-addr:
	case err := <-done:
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/healthz": `"status":"ok"`, "/jsz": `"streams": 4`} {
		answer, err := http.Get("http://" + at + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v %s", path, err, b)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestTLS: with a certificate nothing goes in the clear.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	s := lab.Start(t, "-tls-cert", cert, "-tls-key", key)
	nc := s.Connect(keys.Host, "web1", nats.RootCAs(cert))
	if !nc.TLSRequired() {
		t.Error("the server asks for no TLS")
	}
	if got := request(nc, wire.Subject("web1", "boot", ""), "x"); !strings.Contains(got, `"seq":1`) {
		t.Error(got)
	}
	if _, err := nats.Connect(s.URL(), nats.UserCredentials(s.Creds(keys.Host, "web1"))); err == nil {
		t.Error("a certificate that nobody vouches for was believed")
	}
}

// TestAllAddresses: a server that listens on all addresses takes what a host sends, and has
// nothing to say of that.
func TestAllAddresses(t *testing.T) {
	cert, key := certificate(t)
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		t.Run(listen, func(t *testing.T) {
			var log bytes.Buffer
			cfg := server.Config{Dir: t.TempDir(), Listen: listen, Cert: cert, Key: key, Limits: wire.Limits{Bytes: 1 << 20}, Log: slog.New(slog.NewTextHandler(&log, nil))}
			ready := make(chan string, 1)
			cfg.Ready = func(s *server.Server) { ready <- s.URL() }
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			done := make(chan error, 1)
			go func() { done <- server.Run(ctx, cfg) }()
			var at string
			select {
			case at = <-ready:
			case err := <-done:
				t.Fatal(err)
			}
			ring, err := keys.Open(filepath.Join(cfg.Dir, "keys"))
			check(t, err)
			creds, err := ring.Creds(keys.Host, "web1")
			check(t, err)
			u, err := url.Parse(at)
			check(t, err)
			nc, err := nats.Connect("tls://127.0.0.1:"+u.Port(), nats.RootCAs(cert), nats.UserCredentialBytes(creds), nats.CustomInboxPrefix("_INBOX.web1"))
			check(t, err)
			defer nc.Close()
			if got := request(nc, wire.Subject("web1", "boot", ""), "x"); !strings.Contains(got, `"seq":1`) {
				t.Error(got)
			}
			nc.Close()
			stop()
			if err := <-done; err != nil || log.Len() > 0 {
				t.Errorf("%v\n%s", err, log.String())
			}
		})
	}
}

// certificate makes one for 127.0.0.1.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, b []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}
