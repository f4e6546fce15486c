// SPDX-License-Identifier: BSD-2-Clause

// Package ctl is utmpctl. It connects the other packages to commands that do one thing
// and exit. Each command has a file of its own. [commands] lists them; the parser, the
// help and the completions are made from that list. See utmpctl(8) for what each does.
package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"utmpd.dev/utmpd/internal/version"
)

const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// errFound is the error of a command that found what it looked for and has said so.
var errFound = errors.New("something was found")

// usageError is a fault in the command line.
type usageError struct {
	err  error
	help string // printed after the error
}

func (e *usageError) Error() string { return e.err.Error() }

// exitStatus is the error of a command that has printed all that is to be said.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprint("exit status ", int(s)) }

// Main runs utmpctl and returns its exit status: 0 for success, 1 for an error, which it
// prints to stderr, 2 for a usage error, or what a command says that it means. SIGINT and SIGTERM end it.
func Main(args []string, stdout, stderr io.Writer) int {
	return mainOn(args, stdout, stderr, thisMachine())
}

func mainOn(args []string, stdout, stderr io.Writer, on machine) int {
	syscall.Umask(0o022) // who may read the notes is not the caller's to decide
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, stdout, stderr, on)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer, on machine) int {
	err := dispatch(ctx, args, stdout, stderr, on)
	var usage *usageError
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFound):
		return exitError // it was said
	case errors.As(err, &usage) && isPlugin(args):
		return int(notKnown(stdout, screen{unicode: inUTF8(os.Getenv)}, err))
	case errors.As(err, &usage):
		tell(stderr, usage.err)
		fmt.Fprint(stderr, usage.help)
		return exitUsage
	case errors.As(err, &status):
		return int(status)
	}
	tell(stderr, err)
	return exitError
}

// tell prints errors and warnings, one per line. What is in them may come from anywhere.
func tell(w io.Writer, what any) {
	s := screen{unicode: inUTF8(os.Getenv)}
	for line := range strings.SplitSeq(fmt.Sprint(what), "\n") {
		line = strings.TrimPrefix(line, "utmpfile: ") // one prefix will do
		fmt.Fprintf(w, "utmpctl: %s\n", s.text(line))
	}
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer, on machine) error {
	if len(args) == 0 {
		return &usageError{errors.New("no command"), overview()}
	}
	switch args[0] {
	case "-version", "--version":
		_, err := fmt.Fprintln(stdout, "utmpctl", version.String())
		return err
	case "-h", "-help", "--help":
		args[0] = "help"
	}
	c, ok := find(args[0])
	if !ok {
		return noCommand(args[0])
	}
	in, err := c.parse(args[1:])
	switch {
	case errors.Is(err, errHelp):
		_, err = fmt.Fprint(stdout, c.help())
		return err
	case err != nil:
		return &usageError{fmt.Errorf("%s: %w", c.name, err), c.usage()}
	}
	in.ctx, in.stdin, in.stdout, in.stderr, in.on = ctx, os.Stdin, stdout, stderr, on
	return c.run(in)
}

// noCommand is the error of a command that does not exist. It is one line: a list of all
// commands would push it out of sight.
func noCommand(name string) error {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	hint := cmp.Or(meant("", name, append(names, "-version")), "; see utmpctl help")
	return &usageError{fmt.Errorf("no command %q%s", name, hint), ""}
}
