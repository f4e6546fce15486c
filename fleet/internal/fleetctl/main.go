// SPDX-License-Identifier: BSD-2-Clause

// Package fleetctl is utmpfleet: the agent, the questions, and the enrolment of hosts. Each
// command has a function of its own; [commands] lists them.
package fleetctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"utmpd.dev/utmpd/internal/version"
)

// call is one run of a command.
type call struct {
	ctx            context.Context
	stdout, stderr io.Writer
	flags          *flag.FlagSet
}

type command struct {
	name, args, summary string
	// prepare adds the options, and returns what the command does.
	prepare func(*call) func(args []string) error
}

func commands() []command {
	return []command{
		{"who", "", "show who is on, on all hosts, or who was on (-at)", prepareWho},
		{"at", "TIME", "show who was on then, as who -at TIME does", prepareAt},
		{"last", "", "show who was on, from when to when, and how each session ended", prepareLast},
		{"hosts", "", "show the hosts: which are there, since when they are up", prepareHosts},
		{"crashes", "", "show which hosts crashed, and when", prepareCrashes},
		{"events", "", "print events", prepareEvents},
		{"enroll", "HOST", "print the credentials of a host, a secret", prepareEnroll},
		{"revoke", "HOST", "make all credentials of a host worthless, and end its connections", prepareRevoke},
		{"status", "", "show whether the server is well, how full it is, and how many hosts are there", prepareStatus},
		{"streams", "", "make the streams in a cluster, or change how much is kept", prepareStreams},
		{"nats-config", "", "print what a cluster's nats-server.conf needs to know of the fleet", prepareConfig},
		{"agent", "", "send this host's events to the server", prepareAgent},
	}
}

// usageError is a fault in the command line.
type usageError struct{ error }

// exitError is an exit status of which all was said.
type exitError int

func (e exitError) Error() string { return fmt.Sprint("exit status ", int(e)) }

// Main runs utmpfleet and returns its exit status: 0 for success, 1 for an error, 2 for a
// usage error.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, args, stdout, stderr)
	var usage usageError
	var code exitError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "utmpfleet:", text(err.Error()))
		return 2
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(stderr, "utmpfleet:", text(err.Error()))
	return 1
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		overview(stderr)
		return usageError{errors.New("no command")}
	}
	switch args[0] {
	case "-version", "--version":
		fmt.Fprintln(stdout, "utmpfleet", version.String())
		return nil
	case "-h", "-help", "--help", "help":
		overview(stdout)
		return nil
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		in := &call{ctx: ctx, stdout: stdout, stderr: stderr, flags: flag.NewFlagSet(c.name, flag.ContinueOnError)}
		in.flags.SetOutput(stderr)
		in.flags.Usage = func() {
			fmt.Fprintf(stderr, "usage: utmpfleet %s [OPTION ...] %s\n%s\n", c.name, c.args, c.summary)
			in.flags.PrintDefaults()
		}
		do := c.prepare(in)
		if err := in.flags.Parse(args[1:]); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return usageError{fmt.Errorf("%s: see utmpfleet %s -help", c.name, c.name)}
		}
		if want := min(len(c.args), 1); in.flags.NArg() != want {
			return usageError{fmt.Errorf("%s: %d arguments, not %d", c.name, in.flags.NArg(), want)}
		}
		if err := do(in.flags.Args()); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		return nil
	}
	return usageError{fmt.Errorf("no command %q; see utmpfleet -help", args[0])}
}

func overview(w io.Writer) {
	fmt.Fprintln(w, "usage: utmpfleet COMMAND [OPTION ...]")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-15s %s\n", c.name+" "+c.args, c.summary)
	}
}

// prepareEnroll is the command enroll.
func prepareEnroll(in *call) func([]string) error {
	dir := in.flags.String("dir", defaultServerDir, "the server's `DIR`")
	reader := in.flags.Bool("reader", false, "credentials for questions, not for a host")
	out := in.flags.String("o", "", "write them to `FILE`, which must not exist, not to standard output")
	return func(args []string) error { return enroll(in, *dir, args[0], *reader, *out) }
}

func enroll(in *call, dir, name string, reader bool, out string) error {
	b, err := credentials(dir, name, reader)
	if err != nil {
		return err
	}
	if out == "" {
		_, err = in.stdout.Write(b)
		return err
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
