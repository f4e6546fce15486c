// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/eventlog"
	"utmpd.dev/utmpd/internal/events"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/moments"
)

func eventsCommand() command {
	return command{
		name:    "events",
		summary: "print logins, logouts, boots and crashes, also as they happen",
		about: `It reads the wtmp file and its rotated files, in the order in which they were
written. A reader may be slow: nothing is lost. See utmpctl-events(8).
` + moments.Help,
		options: []option{
			{name: "follow", help: "go on with what happens; without -since or a cursor, begin now"},
			{name: "cursor", arg: "FILE", help: "go on where FILE says, and keep in it how far it came"},
			jsonOption,
			sinceOption,
			untilOption,
			{name: "f", arg: "FILE", help: "read only FILE; repeat for further files, oldest first", many: true},
			configOption,
		},
		examples: []string{
			"events -since yesterday",
			"events -follow -json -cursor /var/lib/siem/utmp | logger",
		},
		run: tellEvents,
	}
}

// eventing is one run of `utmpctl events`.
type eventing struct {
	in      call // its context ends with the outlet, too
	stop    context.CancelFunc
	since   time.Time
	until   time.Time
	follow  bool
	silent  bool   // events are not printed: they were before it began
	cursor  string // the file; "": none
	machine string
	format  func(*events.Event) []byte // valid until the next call

	log    *logs.Log
	reader *eventlog.Reader
	out    *outlet
	skip   int // so many events were printed by a run before

	kept cursor // of the last commit
	base int    // pieces that the outlet had written then
	read int    // records since then

	damage damages
	failed bool
}

func tellEvents(in call) error {
	v := &eventing{in: in, follow: in.set["follow"], cursor: in.value("cursor"), reader: eventlog.New(events.NewStream(), logs.Position{})}
	if err := v.options(); err != nil {
		return err
	}
	// A reader that goes away is an error of a write, so that the cursor is kept.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	v.in.ctx, v.stop = context.WithCancel(in.ctx)
	defer v.stop()
	defer collectLate()()
	v.out = v.in.outlet(v.in.writeSize())
	defer v.out.close()
	err := v.run()
	if v.out.err != nil {
		err = v.out.err // it may be why the reading was ended
	}
	if err == nil || gone(err) {
		keepErr := v.end()
		if v.out.err != nil {
			err = v.out.err // of what was left to be written
		}
		if keepErr != nil {
			err = keepErr
		}
	}
	if err := v.damage.err(); err != nil {
		tell(in.stderr, err)
	}
	switch {
	case errors.Is(err, context.Canceled) && !v.follow && v.cursor == "":
		return errors.New("events: a signal has ended it")
	case err != nil && !gone(err):
		return fmt.Errorf("events: %w", err)
	case v.failed || v.damage.err() != nil:
		return fmt.Errorf("events: %w", errPartly)
	}
	return nil
}

// options takes the options, and refuses what makes no sense.
func (v *eventing) options() (err error) {
	usage := func(err error) error {
		return &usageError{fmt.Errorf("events: %w", err), eventsCommand().usage()}
	}
	for name, t := range map[string]*time.Time{"since": &v.since, "until": &v.until} {
		if *t, err = moments.Parse(v.in.value(name), v.in.on.now()); err != nil {
			return usage(fmt.Errorf("-%s: %w", name, err))
		}
	}
	switch {
	case v.until.IsZero():
	case v.follow || v.cursor != "":
		return usage(errors.New("-until goes neither with -follow nor with -cursor"))
	case v.until.Before(v.since):
		return usage(errors.New("-until is before -since"))
	}
	if len(v.in.values["f"]) > 1 && (v.follow || v.cursor != "") {
		return usage(errors.New("-follow and -cursor take one -f, a log with its rotated files"))
	}
	if len(v.in.values["f"]) == 0 {
		v.machine, _ = os.Hostname()
	}
	if v.in.set["json"] {
		var b []byte
		v.format = func(e *events.Event) []byte {
			b = append(e.AppendJSON(b[:0], events.Machine{Name: v.machine}), '\n')
			return b
		}
		return nil
	}
	text := eventText{screen: v.in.screen()}
	v.format = text.line
	return nil
}

// run reads, and prints, until there is no more. The error is of the command, or that of
// the outlet.
func (v *eventing) run() error {
	if err := v.begin(); err != nil {
		return err
	}
	if v.silent {
		if err := v.all(v.log.From(v.in.ctx, v.reader.Position())); err != nil {
			return err
		}
		v.reader.Skip(v.reader.Position()) // what follows is read anew
		v.silent = false
	}
	if err := v.heading(); err != nil {
		return err
	}
	if named := v.in.values["f"]; v.log == nil {
		return v.named(named)
	}
	if v.follow {
		v.out.watch(v.stop)
		return v.all(v.log.Follow(v.in.ctx, v.reader.Position()))
	}
	return v.all(v.log.From(v.in.ctx, v.reader.Position()))
}

// heading prints the first line of a text.
func (v *eventing) heading() error {
	if v.in.set["json"] {
		return nil
	}
	zone := v.in.on.now().Local().Format("MST")
	err := v.out.add(fmt.Appendf(nil, "%-19s  %-8s  WHAT\n", "TIME ("+zone+")", "EVENT"))
	v.base++ // it is no event
	return err
}

// begin chooses the log and where to begin. Files that are only to be read have no log.
func (v *eventing) begin() error {
	var name string
	var own *recorder
	switch named := v.in.values["f"]; {
	case len(named) == 0:
		cfg, err := v.in.settings()
		if err != nil {
			return err
		}
		name, own = cfg.WtmpxFile, &recorder{in: v.in, cfg: cfg}
	case v.follow || v.cursor != "":
		to, err := typed(named[0])
		if err != nil {
			return err
		}
		name = to
	default:
		return nil
	}
	v.log = logs.New(name, logs.Options{Torn: true, Reuse: true, Waiting: v.waiting})
	var c *cursor
	if v.cursor != "" {
		var s *events.Stream
		var err error
		if c, s, err = readCursor(v.cursor); err != nil {
			return err
		}
		if c != nil {
			v.reader, v.skip, v.since = eventlog.New(s, c.Position), c.Printed, time.Time{}
		}
	}
	if own != nil {
		v.reader.Stream.Ledger = own.ledger()
	}
	v.silent = c == nil && v.follow && v.since.IsZero()
	return v.keep()
}

// named reads files one after another, whatever is beside them.
func (v *eventing) named(names []string) error {
	for _, name := range names {
		if err := v.file(name); err != nil {
			return err
		}
	}
	return nil
}

func (v *eventing) file(name string) error {
	to, err := typed(name)
	if err == nil {
		err = notLastlog(to, name)
	}
	if err != nil {
		v.trouble(err)
		return nil
	}
	f, err := logs.New(to, logs.Options{Torn: true, Reuse: true, Other: otherForm}).Open(v.in.ctx, to)
	if err != nil {
		v.trouble(err)
		return nil
	}
	defer f.Close()
	err = v.all(f.Forward(0))
	if torn := f.TornEnd(); torn != nil {
		v.trouble(torn)
	}
	return err
}

// all takes records. The error is that of the outlet or of the cursor, or that of the
// context.
func (v *eventing) all(records iter.Seq2[logs.Entry, error]) error {
	for e, err := range records {
		var gap *logs.GapError
		switch {
		case v.in.ctx.Err() != nil:
			return v.in.ctx.Err()
		case errors.As(err, &gap):
			v.gap(gap)
		case err != nil:
			v.trouble(err)
		default:
			v.record(e)
		}
		if v.out.err != nil {
			return v.out.err
		}
		if v.read >= commitEvery && v.cursor != "" && !v.silent {
			if err := v.commit(); err != nil {
				return err
			}
		}
	}
	return v.in.ctx.Err()
}

// commitEvery is after how many records the cursor is kept.
const commitEvery = 4096

// record takes a record.
func (v *eventing) record(e logs.Entry) {
	place := func() string {
		if v.silent {
			return "" // nobody sees it
		}
		return e.Place().String()
	}
	v.reader.Record(e, place, v.print)
	v.read++
}

// gap takes the news that the record after which reading was to go on is gone.
func (v *eventing) gap(g *logs.GapError) {
	v.skip = 0
	v.print(v.reader.Gap(g))
	if g.Before.IsZero() {
		// Nothing follows yet: it is told once.
		if end, err := v.log.End(v.in.ctx); err == nil {
			v.reader.Skip(end)
		}
	}
}

// trouble notes what could not be read.
func (v *eventing) trouble(err error) {
	v.reader.Hole()
	if v.silent {
		return // it is told when the same is read to be printed, or was before
	}
	if v.follow || !v.damage.add(err) {
		v.failed = true
		tell(v.in.stderr, err)
	}
}

// print prints an event. One that is not to be printed counts as a piece without bytes, so
// that the outlet's count is that of events.
func (v *eventing) print(e events.Event) {
	switch {
	case v.silent:
	case v.skip > 0:
		v.skip--
		_ = v.out.add(nil)
	case e.Kind != events.Gap && (!v.since.IsZero() && e.Time.Before(v.since) || !v.until.IsZero() && e.Time.After(v.until)):
		_ = v.out.add(nil)
	default:
		_ = v.out.add(v.format(&e)) // the outlet keeps the error
	}
}

// waiting is called when all was read, and the log waits for more.
func (v *eventing) waiting() {
	if err := v.commit(); err != nil {
		v.out.err = cmp.Or(v.out.err, err)
		v.stop()
	}
}

// commit writes what was printed, and then keeps the cursor.
func (v *eventing) commit() error {
	if err := v.out.flush(); err != nil {
		return err
	}
	if err := v.keep(); err != nil {
		return err
	}
	if v.cursor == "" {
		return nil
	}
	return v.kept.write(v.cursor)
}

// keep notes the place after the record read last.
func (v *eventing) keep() error {
	v.read = 0
	if v.cursor == "" {
		return nil
	}
	state, err := v.reader.Stream.Save()
	v.kept = cursor{Version: cursorVersion, Position: v.reader.Position(), Printed: v.skip, State: state}
	v.base = v.out.taken
	return err
}

// end writes what is left, and the cursor: after the last record if the reader took all,
// else with the number of events that it took after the place kept last.
func (v *eventing) end() error {
	if v.silent {
		return nil // what was read belongs to the time before it began
	}
	if v.out.flush() == nil {
		return v.commit()
	}
	if v.cursor == "" {
		return nil
	}
	v.kept.Printed = max(v.kept.Printed, v.out.taken-v.base)
	return v.kept.write(v.cursor)
}
