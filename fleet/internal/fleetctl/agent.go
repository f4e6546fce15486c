// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/ledger"
	"utmpd.dev/utmpd/internal/logging"
	"utmpd.dev/utmpd/internal/sdnotify"
)

// prepareAgent is the command agent.
func prepareAgent(in *call) func([]string) error {
	cfg := agent.Config{Beat: wire.Beat, Answer: 10 * time.Second, Settled: agent.Settled}
	var w where
	w.options(in, "/etc/utmpfleet/host.creds")
	settings := in.flags.String("config", "", "read `FILE` instead of "+config.DefaultFile+" for where the next three are")
	in.flags.StringVar(&cfg.Wtmp, "wtmp", "", "this log, a `FILE`")
	in.flags.StringVar(&cfg.Utmp, "utmp", "", "this utmpx `FILE`")
	in.flags.StringVar(&cfg.Ledger, "ledger", "", "this `FILE` of the boots that utmpctl boot has entered; with -wtmp, none is read but this")
	in.flags.StringVar(&cfg.Mark, "mark", "", "keep in `FILE` how far was sent, for when the server has forgotten this host")
	in.flags.BoolVar(&cfg.TakeOver, "take-over", false, "go on, after a gap, where another machine of this name ended")
	in.flags.DurationVar(&cfg.Retry, "retry", 30*time.Second, "pause after failures for at most `DURATION`; connect again within a fifth of it")
	machine := in.flags.String("machine-id", "/etc/machine-id", "the `FILE` that identifies this machine")
	return func([]string) error {
		if cfg.Retry < time.Second {
			return usageError{errors.New("-retry: less than a second")}
		}
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(50) // it is on every host and rests: memory counts for more than time
		}
		if err := files(in, *settings, &cfg); err != nil {
			return err
		}
		host, err := name(w.creds)
		if err != nil {
			return err
		}
		cfg.Host, cfg.URL, cfg.Creds, cfg.CA = host, w.url, w.creds, w.ca
		if cfg.Machine, err = digestOf(*machine); err != nil {
			return err
		}
		if cfg.Boot, err = digestOf("/proc/sys/kernel/random/boot_id"); err != nil {
			return err
		}
		cfg.Booted = booted
		cfg.Log = logging.NewForeground(in.stderr, slog.LevelInfo, logging.ToJournal(os.Getenv, os.Stderr))
		cfg.Log.Info("started", "host", host, "server", w.url)
		// It is ready without the server, too: a host must not wait for it at its start.
		systemd := sdnotify.New(os.Getenv)
		if err := systemd.Ready(); err != nil {
			cfg.Log.Warn("systemd is not told", "error", err)
		}
		cfg.Watchdog, cfg.Alive = systemd.WatchdogInterval(), func() { _ = systemd.Watchdog() }
		return agent.Run(in.ctx, cfg)
	}
}

// booted returns when the system was started, by the present clock.
func booted() (time.Time, error) {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return time.Time{}, err
	}
	first, _, _ := strings.Cut(string(b), " ")
	up, err := time.ParseDuration(first + "s")
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/uptime: %w", err)
	}
	return time.Now().Add(-up), nil
}

// files fills in where utmpd and utmpctl have their files on this machine. A ledger tells of
// the boots of its own log alone.
func files(in *call, name string, cfg *agent.Config) error {
	own, warnings, err := config.Load(name)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(in.stderr, "utmpfleet:", text(w.String()))
	}
	if cfg.Wtmp == "" {
		cfg.Wtmp = own.WtmpxFile
		cfg.Ledger = cmp.Or(cfg.Ledger, filepath.Join(own.StateDir, ledger.File))
	}
	cfg.Utmp = cmp.Or(cfg.Utmp, own.UtmpxFile)
	return nil
}

// digestOf returns a hash of what identifies a machine: the id itself is not to be sent
// over a network, see machine-id(5).
func digestOf(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(b))
	if id == "" || id == "uninitialized" {
		return "", fmt.Errorf("%s has no id", name)
	}
	sum := sha256.Sum256([]byte("utmpfleet " + id))
	return hex.EncodeToString(sum[:8]), nil
}
