// SPDX-License-Identifier: BSD-2-Clause

package server

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"utmpd.dev/utmpd/fleet/internal/streams"
	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/sdnotify"
	"utmpd.dev/utmpd/internal/version"
)

// DefaultDir is where a server keeps its keys and events.
const DefaultDir = "/var/lib/utmpfleet-server"

// DefaultListen is where a server listens.
const DefaultListen = "127.0.0.1:4222"

// Main runs utmpfleet-server and returns its exit status: 0 after SIGTERM or SIGINT, 1 for
// an error, 2 for a usage error.
func Main(args []string, stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("utmpfleet-server", flag.ContinueOnError)
	set.SetOutput(stderr)
	var cfg Config
	set.StringVar(&cfg.Dir, "dir", DefaultDir, "keep keys and events in `DIR`")
	set.StringVar(&cfg.Listen, "listen", DefaultListen, "listen on `ADDRESS:PORT`; beyond this machine only with TLS")
	set.StringVar(&cfg.Cert, "tls-cert", "", "certificate, in PEM `FILE`")
	set.StringVar(&cfg.Key, "tls-key", "", "its key, in PEM `FILE`")
	set.DurationVar(&cfg.Limits.Age, "max-age", 0, "keep events for `DURATION` (at first 9600h); this and the next three are kept by the server, and utmpfleet streams changes them while it runs")
	set.Int64Var(&cfg.Limits.Each, "max-per-subject", 0, "keep `N` events of a host, of one kind and one sixteenth of the users (at first so many that a host can fill an eighth of -max-bytes)")
	set.Int64Var(&cfg.Limits.Share, "share", 0, "in place of -max-per-subject: a host can fill 1/`N` of -max-bytes, so that up to N that flood remove nothing of others")
	size := set.String("max-bytes", "", "keep at most `SIZE` of events, such as 500M or 20G (at first 4G)")
	set.StringVar(&cfg.Monitor, "monitor", "", "serve NATS' own metrics and health by HTTP on `ADDRESS:PORT` of this machine, such as 127.0.0.1:8222")
	shown := set.Bool("version", false, "print the version")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *shown {
		fmt.Fprintln(stdout, "utmpfleet-server", version.String())
		return 0
	}
	var err error
	if *size != "" {
		cfg.Limits.Bytes, err = streams.ParseSize(*size)
	}
	if err != nil || set.NArg() > 0 || cfg.Limits.Age < 0 || cfg.Limits.Each < 0 || cfg.Limits.Share < 0 {
		fmt.Fprintln(stderr, "utmpfleet-server:", errors.Join(err, errors.New("see utmpfleet-server -help")))
		return 2
	}
	cfg.Log = logging.NewForeground(stderr, slog.LevelInfo, logging.ToJournal(os.Getenv, os.Stderr))
	notify := sdnotify.New(os.Getenv)
	cfg.Ready = func(s *Server) {
		cfg.Log.Info("ready", "url", s.URL(), "dir", cfg.Dir)
		if err := notify.Ready(); err != nil {
			cfg.Log.Warn("systemd is not told", "error", err)
		}
	}
	cfg.Well = func(said string) {
		if err := errors.Join(notify.Status(said), notify.Watchdog()); err != nil {
			cfg.Log.Debug("systemd is not told", "error", err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := Run(ctx, cfg); err != nil {
		fmt.Fprintln(stderr, "utmpfleet-server:", err)
		return 1
	}
	return 0
}
