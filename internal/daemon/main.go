// SPDX-License-Identifier: BSD-2-Clause

// Package daemon is utmpd: it wires the rooms together. The manual page utmpd(8)
// says what it does, docs/architecture.md how.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/version"
)

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

const usage = `usage: utmpd [-debug] [-foreground] [-n] [-check] [-config FILE] [-version]

Without -debug or -foreground, utmpd detaches from the terminal and runs as a
daemon. The command returns when the daemon is ready.

  -debug        stay on the terminal, log every step on standard output
  -foreground   stay on the terminal, log on standard error
  -n            watch, and log what would be cleaned; write to neither file
  -check        check the configuration and exit
  -config FILE  read FILE instead of ` + config.DefaultFile + `
  -version      print the version and exit

See utmpd(8).
`

// flags are the command line.
type flags struct {
	debug, foreground, dryRun, check, version bool
	config                                    string
}

func parseFlags(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("utmpd", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	set.BoolVar(&f.debug, "debug", false, "")
	set.BoolVar(&f.foreground, "foreground", false, "")
	set.BoolVar(&f.dryRun, "n", false, "")
	set.BoolVar(&f.check, "check", false, "")
	set.BoolVar(&f.version, "version", false, "")
	set.Func("config", "", func(name string) error {
		if name == "" {
			return errors.New("a file must be named")
		}
		f.config = name
		return nil
	})
	if err := set.Parse(args); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: "); ok {
			err = errors.New("no option " + name)
			var known []string
			set.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
			if near := config.Nearest(strings.TrimLeft(name, "-"), known); near != "" {
				err = fmt.Errorf("no option %s; did you mean -%s?", name, near)
			}
		}
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	if f.debug && f.foreground {
		return f, errors.New("-debug and -foreground exclude each other")
	}
	if f.config != "" { // SIGHUP reads it again, from another directory
		abs, err := filepath.Abs(f.config)
		if err != nil {
			return f, err
		}
		f.config = abs
	}
	return f, nil
}

// Main is the command utmpd. It returns the exit status: 0 for success (for the
// daemon: it is ready), 1 for an error, 2 for a usage error. It writes errors to
// stderr.
func Main(args []string, stdout, stderr io.Writer) int {
	if status, ok := beToucher(); ok {
		return status
	}
	f, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		return answer(stdout, stderr, usage)
	}
	if err != nil {
		fmt.Fprintf(stderr, "utmpd: %v; see utmpd -h\n", err)
		return exitUsage
	}
	if f.version {
		return answer(stdout, stderr, "utmpd "+version.String()+"\n")
	}
	if f.check {
		return check(f, stdout, stderr)
	}
	if f.debug || f.foreground {
		return attached(f, stdout, stderr)
	}
	if fd, ok := detachedFD(); ok {
		return detached(f, fd)
	}
	if err := detach(args, stderr); err != nil {
		fmt.Fprintf(stderr, "utmpd: %v\n", err)
		return exitError
	}
	return exitOK
}

// attached is the daemon's life on its terminal.
func attached(f flags, stdout, stderr io.Writer) int {
	l := terminalLog(f, stdout, stderr)
	defer l.Close()
	if err := serve(f, l, func() {}); err != nil {
		if f.debug {
			fmt.Fprintf(stderr, "utmpd: %v\n", err)
		}
		l.Error("utmpd ends", "error", err)
		return exitError
	}
	return exitOK
}

// check reads the configuration as the daemon would, and prints the faults it finds.
func check(f flags, stdout, stderr io.Writer) int {
	cfg, warnings, err := config.Load(f.config)
	if err != nil {
		fmt.Fprintf(stderr, "utmpd: %v\n", err)
		return exitError
	}
	file := cmp.Or(f.config, config.DefaultFile)
	if cfg.RunAs != "" {
		if _, err := lookUp(cfg.RunAs); err != nil {
			warnings = append(warnings, config.Warning{File: file, Line: config.Line(file, "RUN_AS"), Text: "RUN_AS: " + err.Error()})
		}
	}
	faults := newTwoFiles(cfg.Fixed, nil).faults()
	maps.Copy(faults, dirFaults(cfg.RunAs, cfg.RunDir, cfg.StateDir))
	if file == config.DefaultFile { // the unit's
		u := readUnit(os.DirFS("/"))
		for key, err := range u.faults(cfg.Fixed) {
			faults[key] = cmp.Or(faults[key], err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(faults)) {
		warnings = append(warnings, config.Warning{File: file, Line: config.Line(file, key), Text: faults[key].Error()})
	}
	for _, w := range warnings {
		fmt.Fprintln(stderr, w)
	}
	if len(warnings) > 0 {
		return exitError
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return answer(stdout, stderr, file+": missing; all keys have their defaults\n")
	}
	return answer(stdout, stderr, file+": no faults\n")
}

// answer prints what was asked for, and returns the exit status.
func answer(stdout, stderr io.Writer, text string) int {
	if _, err := io.WriteString(stdout, text); err != nil {
		fmt.Fprintf(stderr, "utmpd: %v\n", err)
		return exitError
	}
	return exitOK
}

// serve runs until SIGTERM or SIGINT.
func serve(f flags, l logger, ready func()) error {
	syscall.Umask(0o022) // everybody may read the status, whoever started utmpd
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	// A write to a log whose reader is gone must only fail. Go would end the program,
	// even if its parent ignored the signal.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	return run(ctx, f, hup, l, ready)
}
