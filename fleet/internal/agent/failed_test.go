// SPDX-License-Identifier: BSD-2-Clause

package agent

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
)

// TestFailed: only what the server refuses is said to be refused by it.
func TestFailed(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nats.ErrAuthorization, "refused by the server"},
		{fmt.Errorf("%w: %s", nats.ErrPermissionViolation, `Publish to "x"`), "refused by the server"},
		{nats.ErrMaxConnectionsExceeded, "refused by the server"},
		{fmt.Errorf("nats: %w", &fs.PathError{Op: "open", Path: "/etc/utmpfleet/host.creds", Err: os.ErrPermission}), "a file cannot be read"},
		{&net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}, "the connection fails"},
		{io.EOF, "the connection fails"},
		{nats.ErrSlowConsumer, "some were lost"},
	} {
		var log bytes.Buffer
		a := &Agent{Config: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
		a.failed(c.err)
		a.failed(c.err)
		if strings.Count(log.String(), c.want) != 1 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%v: %s", c.err, log.String())
		}
	}
}

// TestCredsGone: the credentials are gone when the agent connects again.
func TestCredsGone(t *testing.T) {
	s := lab.Start(t)
	out, w := io.Pipe()
	a := &Agent{Config: Config{Host: "web1", URL: s.URL(), Creds: s.Creds(keys.Host, "web1"), Retry: time.Second, Log: slog.New(slog.NewTextHandler(w, nil))},
		token: "web1", fresh: make(chan struct{}, 1)}
	if err := a.connect(); err != nil {
		t.Fatal(err)
	}
	defer a.nc.Close()
	defer out.Close()
	<-a.fresh
	if err := os.Remove(a.Creds); err != nil {
		t.Fatal(err)
	}
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		s.Kill()
		s.Restart()
	}()
	defer func() { <-restarted }()
	var said strings.Builder
	for b := make([]byte, 1<<10); !strings.Contains(said.String(), "no such file"); {
		n, err := out.Read(b)
		said.Write(b[:n])
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(said.String(), "refused") {
		t.Error(said.String())
	}
}
