// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// options are the command line.
type options struct {
	utmpd, floor, peer string
	cases              []string
	sizes              []int // of every case; nil: each has its own
	runs               int
	idle               time.Duration
	period             time.Duration // of the cron job in compare
	log                int           // records in the long wtmp
	json, md           string
	compared, reading  string
	ram, disk          string
	emulators          string // count instructions instead, of the programs in a directory
	programs           string
}

// The full measurement: each case has the numbers of
// sessions that show how it grows. stale alone needs no living processes and has more. With
// quick it ends after two minutes and a half and shows little more than that everything works.
var (
	allCases  = []string{"one", "event", "all", "stale", "cold", "idle", "scan", "churn", "wtmp", "read", "compare"}
	fullSizes = map[string][]int{
		"one":   {100, 4000, 19_000},
		"event": {1000, 10_000},
		"all":   {1000, 10_000, 19_000},
		"stale": {100, 1000, 10_000, 30_000, 65_535}, // with that of the boot, as many records as utmpd takes
		"cold":  {100, 1000, 10_000},
		"idle":  {1, 1000, 10_000},
		"scan":  {1000, 10_000},
		"churn": {1000, 10_000},
	}
	quickSizes = []int{50, 500}
)

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var quick bool
	var cases, sizes string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&quick, "quick", false, "measure few sessions, two runs, five seconds of idleness")
	flags.StringVar(&cases, "case", "", "only these of the cases "+strings.Join(allCases, ","))
	flags.StringVar(&sizes, "n", "", "these numbers of sessions")
	flags.IntVar(&o.runs, "runs", 5, "runs of each figure")
	flags.DurationVar(&o.idle, "idle", time.Minute, "how long to measure an idle daemon")
	flags.IntVar(&o.log, "log", 1_000_000, "records in the long wtmp")
	flags.StringVar(&o.json, "json", "", "write every measurement to this file")
	flags.StringVar(&o.md, "md", "", "write the medians to this file, as a short table in Markdown")
	flags.StringVar(&o.compared, "compared", "", "write the figures of compare to this file, as a table in Markdown")
	flags.StringVar(&o.reading, "reading", "", "write the figures of read to this file, as a table in Markdown")
	flags.StringVar(&o.peer, "peer", "", "also measure this command, in turns; {utmp} {wtmp} {pipe} {config} are replaced by its files")
	flags.StringVar(&o.ram, "ram", "/dev/shm", "directory for utmp, on a tmpfs")
	flags.StringVar(&o.disk, "disk", "/var/tmp", "directory for wtmp, on a disk")
	flags.StringVar(&o.emulators, "count", "", "count instructions instead, with the emulators in this root file system: bench -count ROOT DIR")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.emulators != "" && flags.NArg() == 1 {
		o.programs = flags.Arg(0)
		return o, nil
	}
	if flags.NArg() != 2 {
		return o, errors.New("usage: bench [flags] UTMPD FLOOR")
	}
	o.utmpd, o.floor = flags.Arg(0), flags.Arg(1)
	o.cases, o.period = allCases, time.Minute
	if quick {
		o.sizes, o.runs, o.idle, o.log, o.period = quickSizes, 2, 5*time.Second, 20_000, 5*time.Second
	}
	err := errors.Join(o.setCases(cases), o.setSizes(sizes))
	return o, err
}

// setCases sets the cases to a list with commas, unless that is empty.
func (o *options) setCases(list string) error {
	if list == "" {
		return nil
	}
	o.cases = strings.Split(list, ",")
	for _, c := range o.cases {
		if !slices.Contains(allCases, c) {
			return fmt.Errorf("unknown case %q", c)
		}
	}
	return nil
}

// setSizes sets the numbers of sessions to a list with commas, unless that is empty.
func (o *options) setSizes(list string) error {
	if list == "" {
		return nil
	}
	o.sizes = nil
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number of sessions", word)
		}
		o.sizes = append(o.sizes, n)
	}
	return nil
}

// sizesOf returns the numbers of sessions of a case.
func (o *options) sizesOf(name string) []int {
	if o.sizes != nil {
		return o.sizes
	}
	return fullSizes[name]
}

// most returns the largest number of living sessions.
func (o *options) most() int {
	most := 1
	for _, name := range o.cases {
		if name != "stale" {
			most = slices.Max(append(o.sizesOf(name), most))
		}
	}
	return most
}

// bench is one whole measurement.
type bench struct {
	options
	ctx      context.Context
	progress io.Writer
	tools    tools
	machine  machine
	figures  []*figure
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	switch {
	case err == nil && o.emulators != "":
		err = counting(o, stdout, stderr)
	case err == nil:
		err = measure(o, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// measure runs the cases. The processes that it starts die with this thread, which lasts as
// long as the program.
func measure(o options, stdout, stderr io.Writer) (err error) {
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{options: o, ctx: ctx, progress: stderr}
	if err := b.prepare(); err != nil {
		return err
	}
	defer b.tools.close()
	cases := map[string]func() error{
		"one": b.one, "event": b.event, "all": b.all, "stale": b.stale, "cold": b.cold,
		"idle": b.idleness, "scan": b.scan, "churn": b.churn, "wtmp": b.wtmp, "read": b.read, "compare": b.compare,
	}
	began := time.Now()
	for _, name := range o.cases {
		at := time.Now()
		// What the other cases measured is not lost if one fails.
		if failed := cases[name](); failed != nil && ctx.Err() == nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, failed))
		}
		if ctx.Err() != nil {
			err = errors.Join(err, errors.New("interrupted"))
			break
		}
		b.say("%s took %.0f s", name, time.Since(at).Seconds())
	}
	printTable(stdout, b.machine, b.figures, time.Since(began))
	if o.json != "" {
		err = errors.Join(err, writeJSON(o.json, b.machine, b.figures))
	}
	if o.md != "" {
		err = errors.Join(err, writeShort(o.md, b.machine, b.figures))
	}
	if o.reading != "" && slices.Contains(o.cases, "read") {
		err = errors.Join(err, writeReading(o.reading, b.machine, b.figures))
	}
	if slices.Contains(o.cases, "compare") {
		table := comparison(b.figures)
		fmt.Fprintf(stdout, "\n%s", table)
		if o.compared != "" {
			err = errors.Join(err, os.WriteFile(o.compared, []byte(table), 0o644))
		}
	}
	return err
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// prepare examines the machine, raises its limits as far as allowed, and builds the tools.
func (b *bench) prepare() error {
	b.machine = thisMachine()
	most := b.most()
	if got := raise(unix.RLIMIT_NOFILE, uint64(most+1000)); got < uint64(most+1000) {
		b.say("cannot raise the limit of open files from %d to %d", got, most+1000)
	}
	if got := raise(unix.RLIMIT_NPROC, uint64(most+1000)); got < uint64(most+1000) && os.Geteuid() != 0 {
		b.say("cannot raise the limit of processes from %d to %d", got, most+1000)
	}
	if max := sysctl("kernel/pid_max"); most > max-1000 {
		b.say("kernel.pid_max is %d, too few for %d sessions; raise it to measure them", max, most)
	}
	// Makes short pauses short.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	var err error
	b.tools, err = newTools(b.options)
	return err
}

// raise raises a limit, also the hard one if allowed, and returns the result.
func raise(which int, want uint64) uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(which, &l) != nil {
		return 0
	}
	if l.Cur >= want {
		return l.Cur
	}
	to := syscall.Rlimit{Cur: want, Max: max(want, l.Max)}
	if syscall.Setrlimit(which, &to) == nil {
		return want
	}
	to = syscall.Rlimit{Cur: l.Max, Max: l.Max}
	_ = syscall.Setrlimit(which, &to)
	return l.Max
}

// turns calls f for every contestant in every run, each of them first in turn.
func (b *bench) turns(who []contestant, f func(run int, c contestant) error) error {
	for run := range b.runs {
		for i := range who {
			if err := b.ctx.Err(); err != nil {
				return err
			}
			if err := f(run, who[(run+i)%len(who)]); err != nil {
				return err
			}
		}
	}
	return nil
}
