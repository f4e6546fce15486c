// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/repair"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// checkKinds are what the option -as takes.
var checkKinds = []string{"utmpx", "wtmpx", "btmp", "lastlog"}

// kindNamed returns the kind that -as names: people call the files as the file system does.
func kindNamed(as string) string {
	if as == "utmp" || as == "wtmp" {
		as += "x"
	}
	return as
}

func checkCommand() command {
	return command{
		name:    "check",
		summary: "find what is wrong with utmp, wtmp, btmp and lastlog files",
		about: `Without FILE it checks the files of this machine. Each finding is one line: the
file, the bytes, how bad it is, what it is, and what to do. The exit status is 1
if there is a warning or an error.`,
		options: []option{
			{name: "all", short: "a", help: "show notes too, and every finding of a kind"},
			{name: "as", arg: "KIND", help: "the files are utmpx, wtmpx, btmp or lastlog files", among: checkKinds, also: []string{"utmp", "wtmp"}},
			jsonOption,
			configOption,
		},
		args: argument{name: "[FILE...]", help: "a file", most: 1 << 16},
		examples: []string{
			"check                         # the files of this machine",
			"check -a /mnt/var/log/wtmp.1  # of another one, with notes",
		},
		run: checkFiles,
	}
}

// checking is one run of `utmpctl check`.
type checking struct {
	in       call
	cfg      config.Config
	own      [2]string // the utmpx and the wtmpx file of this machine
	as       string
	show     func(file string, f check.Finding) error
	bad      bool // there was a warning or an error
	notes    int  // that were not shown
	problems []error
	writeErr error
}

func checkFiles(in call) error {
	as := kindNamed(in.value("as"))
	cfg, err := in.settings()
	if err != nil {
		return err
	}
	c := &checking{in: in, cfg: cfg, own: [2]string{cfg.UtmpxFile, cfg.WtmpxFile}, as: as, show: findingLine(in.stdout, in.screen())}
	if in.set["json"] {
		c.show = findingJSON(in.stdout)
	}
	all := c.targets()
	for _, t := range all {
		few := check.NewFew(in.set["all"], func(f check.Finding) { c.found(t, f) })
		if err := c.one(t, few.Add); err != nil {
			c.problems = append(c.problems, err)
		}
		few.End()
	}
	if c.writeErr != nil {
		return c.writeErr
	}
	if len(c.problems) > 0 {
		return errors.Join(c.problems...)
	}
	if c.bad {
		return errFound
	}
	if onTerminal(in.stdout) && !in.set["json"] {
		_, err = fmt.Fprintln(in.stdout, c.nothing(all))
	}
	return err
}

// nothing says that nothing is wrong. A script learns that by the exit status.
func (c *checking) nothing(all []target) string {
	s := c.in.screen()
	var names []string
	for _, t := range all {
		names = append(names, s.text(t.name))
	}
	text := "nothing is wrong with " + strings.Join(names, ", ")
	if c.notes > 0 {
		text += "; -a shows " + count(c.notes, "note", "notes")
	}
	return strings.TrimSuffix(s.folded(text), "\n")
}

// target is a file to check.
type target struct {
	name string
	kind check.File
	ours bool // it is one of this machine's files, or beside them
	live bool // it is the utmpx file of this machine
}

// targets returns the files to check.
func (c *checking) targets() (all []target) {
	if len(c.in.args) > 0 {
		for _, name := range c.in.args {
			all = append(all, c.target(name))
		}
		return all
	}
	all = []target{{c.own[0], check.UtmpxFile, true, true}, {c.own[1], check.WtmpxFile, true, false}}
	for _, more := range []check.File{check.BtmpFile, check.LastlogFile} {
		name := filepath.Join(filepath.Dir(c.own[1]), more.String())
		if _, err := os.Lstat(name); err == nil {
			all = append(all, target{name, more, true, false})
		}
	}
	return all
}

// target returns what a named file is: by its inode, the option, or its name.
func (c *checking) target(name string) target {
	t := target{name: name, kind: check.WtmpxFile}
	t.live = sameFile(name, c.own[0])
	t.ours = t.live || sameFile(filepath.Dir(name), filepath.Dir(c.own[1])) || sameFile(name, c.own[1])
	base := filepath.Base(name)
	switch {
	case c.as != "":
		t.kind = check.File(slices.Index(checkKinds, c.as))
	case t.live, strings.HasPrefix(base, "utmp"):
		t.kind = check.UtmpxFile
	case strings.HasPrefix(base, "btmp"):
		t.kind = check.BtmpFile
	case strings.HasPrefix(base, "lastlog"):
		t.kind = check.LastlogFile
	}
	return t
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// found shows a finding, unless it is a note that nobody asked for.
func (c *checking) found(t target, f check.Finding) {
	if f.Severity == check.Note && !c.in.set["all"] {
		c.notes++
		return
	}
	c.bad = c.bad || f.Severity > check.Note
	if err := c.show(t.name, f); err != nil && c.writeErr == nil {
		c.writeErr = err
	}
}

// one checks one file.
func (c *checking) one(t target, found func(check.Finding)) error {
	info, err := os.Lstat(t.name)
	if errors.Is(err, fs.ErrNotExist) && len(c.in.args) == 0 {
		found(check.Finding{Kind: check.Unread, Severity: check.Warning, Text: "there is no such file",
			Advice: "C libraries do not create it: no session is recorded; `utmpctl boot` creates utmp, `touch` wtmp"})
		return nil
	}
	if err != nil {
		return sysfile.Wrap("check", t.name, err)
	}
	if t.ours {
		c.access(t, info, found)
	}
	// It is the user who names the file.
	to, err := typed(t.name)
	if err != nil {
		return sysfile.Wrap("check", t.name, err)
	}
	switch t.kind {
	case check.UtmpxFile:
		return c.table(t, to, found)
	case check.LastlogFile:
		return c.lastlog(to, found)
	}
	if l := openLastlog(to, ""); l != nil && c.as == "" {
		l.f.Close()
		return c.lastlog(to, found)
	}
	return c.log(t, to, found)
}

// access checks who may change a file.
func (c *checking) access(t target, link fs.FileInfo, found func(check.Finding)) {
	to, err := os.Stat(t.name)
	if err != nil {
		return // opening it tells why
	}
	o := ownerOf(to)
	if link.Mode()&fs.ModeSymlink != 0 {
		o.Linked, o.LinkUID = true, ownerOf(link).UID
	}
	o.Group, o.HasGroup = utmpGroup()
	check.Access(t.kind, o, found)
}

// log checks a log.
func (c *checking) log(t target, to string, found func(check.Finding)) error {
	log := logs.New(to, logs.Options{Torn: true, Ahead: true, Other: otherForm})
	f, err := log.Open(c.in.ctx, to)
	if errors.Is(err, recfile.ErrLayout) {
		found(noRecords(t, "move it away"))
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s := &scanned{name: t.name, size: f.Size(), p: c.in.progress("check "+t.name, f.Size())}
	defer s.p.end()
	o := check.Options{Layout: f.Layout(), Failed: t.kind == check.BtmpFile}
	bytes := f.Bytes()
	defer bytes.Close()
	s.bytes = bytes
	switch {
	case f.Compressed():
		s.size, s.p.w = -1, nil
	case f.Other():
		s.size = -1 // it tells damage at its end itself
		o.Modified = f.Modified()
	default:
		o.Modified = f.Modified()
	}
	if f.Size() > 0 && sameFile(to, c.own[1]) {
		otherSystem(f.Layout(), found)
	}
	for _, left := range repair.Left(to) {
		found(check.Finding{Kind: check.LeftBehind, Severity: check.Warning, Text: fmt.Sprintf("a repair was interrupted and left %q", filepath.Base(left)),
			Advice: "programs may have written there: `utmpctl repair` takes that along"})
	}
	l := check.NewLog(o, found)
	err = s.scan(c.in.ctx, f.Reuse(), l)
	l.End()
	if err == nil && sameFile(to, c.own[1]) {
		c.boots(found)
	}
	return err
}

// boots compares the boots of this machine's log, with its rotated files, with the ledger. It
// has something to say only of what follows the first boot of the log: what is before may have
// been rotated away.
func (c *checking) boots(found func(check.Finding)) {
	own := &recorder{in: c.in, cfg: c.cfg}
	ledger := own.ledger()
	if len(ledger) == 0 {
		return
	}
	h, _, present, _ := readAll(c.in) // what cannot be read is found where that file is checked
	if !h.Found() {
		return
	}
	all, differ := boots.Amend(h.Boots(), ledger, present)
	for _, b := range all {
		switch {
		case b.Lost():
			found(check.Finding{Kind: check.LostBoot, Severity: check.Warning, At: b.From,
				Text:   fmt.Sprintf("neither it nor a rotated file has the boot from %s to %s, which %s has", moment(b.From), moment(b.To), own.ledgerFile()),
				Advice: "records were taken out, or an older copy came back; `utmpctl downtime` shows the boot"})
		case b.Ledger:
			found(check.Finding{Kind: check.LostBoot, Severity: check.Note, At: b.To,
				Text:   fmt.Sprintf("no record tells that the boot of %s %s at %s, as %s does", moment(b.From), ended(b.End.String()), moment(b.To), own.ledgerFile()),
				Advice: "`utmpctl boot` came too late to record that, or the record was taken out"})
		}
	}
	for _, d := range differ {
		found(check.Finding{Kind: check.OtherEnd, Severity: check.Warning, At: d.Log.To,
			Text: fmt.Sprintf("the boot of %s %s at %s by the log, and %s at %s by %s", moment(d.Log.From), ended(d.Log.End.String()), moment(d.Log.To),
				ended(d.Ledger.End.String()), moment(d.Ledger.To), own.ledgerFile()),
			Advice: "the clock was wrong, or a record was changed"})
	}
}

// moment formats a time as the other findings do.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// scanned is the reading of a log.
type scanned struct {
	name  string
	size  int64 // -1: unknown
	bytes io.ReaderAt
	p     *progress
	end   int64 // of what was read
}

// scan feeds a check with all records. A part of a record at the end may be that of a
// writer at work: it is looked at again.
func (s *scanned) scan(ctx context.Context, f *logs.File, l *check.Log) error {
	for range 10 {
		if err := s.rest(f, l); err != nil {
			return err
		}
		if s.size < 0 || s.end >= s.size {
			return nil
		}
		was := s.size
		select {
		case <-ctx.Done():
			return sysfile.Wrap("check", s.name, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
		if err := f.Refresh(); err != nil {
			return err
		}
		if s.size = f.Size(); s.size == was {
			break
		}
	}
	l.Partial(s.end, s.size)
	return nil
}

// rest reads from where it stopped.
func (s *scanned) rest(f *logs.File, l *check.Log) error {
	n := 0
	for e, err := range f.Raw(s.end) {
		if err != nil {
			var damage *logs.DamageError
			if !errors.As(err, &damage) {
				return err
			}
			l.Damage(check.Part{From: damage.From, To: damage.To, Size: s.size, Bytes: s.bytes})
			s.end = damage.To
			continue
		}
		l.Record(e.Layout, e.Bytes, e.Offset)
		s.end = e.Offset + int64(len(e.Bytes))
		if n++; n&0xfff == 0 {
			s.p.at(s.end)
		}
	}
	return nil
}

// table checks a utmpx file.
func (c *checking) table(t target, to string, found func(check.Finding)) error {
	if other, err := c.otherTable(t, to, found); other || err != nil {
		return err
	}
	snap, err := recfile.NewFile(to, recfile.Options{}).Snapshot(nil)
	switch {
	case errors.Is(err, recfile.ErrLayout), errors.Is(err, recfile.ErrTorn):
		found(noRecords(t, "end the sessions"))
		return nil
	case err != nil && !errors.Is(err, recfile.ErrTooLong):
		return err
	case err != nil:
		found(check.Finding{Kind: check.Damage, Severity: check.Error, Text: fmt.Sprintf("it has more than %d records", recfile.MaxRecords),
			Advice: "the rest was not checked"})
	}
	var records []utmpx.Record
	for _, r := range snap.All() {
		records = append(records, r)
	}
	var on *check.Machine
	if t.live {
		on = &check.Machine{Alive: c.in.on.alive, Led: c.in.on.led, Within: c.in.on.within}
	}
	check.Table(records, on, found)
	if info, err := os.Stat(to); err == nil && len(records) > 0 {
		size := int64(len(records[0].Raw()))
		if end := int64(len(records)) * size; info.Size() > end && info.Size() < end+size {
			found(check.Partial(end, info.Size(), time.Time{}))
		}
	}
	if len(records) > 0 && t.live {
		otherSystem(records[0].Layout(), found)
	}
	return nil
}

// noRecords is the finding of a file in which no records are. If it is this machine's,
// programs need one in its place.
func noRecords(t target, first string) check.Finding {
	f := check.Finding{Kind: check.Damage, Severity: check.Error, Text: "no session records in any known layout",
		Advice: "it is another kind of file, or nothing is left of it"}
	if t.ours {
		f.Advice = first + ", and put an empty file of the same owner and mode in its place"
	}
	return f
}

// otherSystem reports that the records of a file which the programs of this machine write
// are those of another system.
func otherSystem(l *utmpx.Layout, found func(check.Finding)) {
	if grid.Alike(l, utmpx.Native()) || muslLayout(l) {
		return
	}
	found(check.Finding{Kind: check.OtherLayout, Severity: check.Error,
		Text:   fmt.Sprintf("its records are %s, and this machine's are %s", l, utmpx.Native()),
		Advice: "programs here do not understand them: put an empty file of the same owner and mode in its place"})
}

func muslLayout(l *utmpx.Layout) bool { return l == utmpx.Musl400LE || l == utmpx.Musl400BE }

// lastlog checks a lastlog file. It has a record for each user ID, and holes between.
func (c *checking) lastlog(to string, found func(check.Finding)) error {
	f, err := os.Open(to)
	if err != nil {
		return sysfile.Wrap("check", to, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return sysfile.Wrap("check", to, err)
	}
	if !info.Mode().IsRegular() {
		return sysfile.Wrap("check", to, sysfile.ErrNotRegular)
	}
	samples, err := lastlogSamples(f, info.Size())
	if err != nil {
		return sysfile.Wrap("read", to, err)
	}
	l := check.NewLastlog(samples, info.Size(), info.ModTime(), found)
	at, size := samples[0].At, int64(l.Size())
	if torn := info.Size() % size; torn != 0 {
		f := check.Partial(info.Size()-torn, info.Size(), time.Time{})
		f.Advice = fmt.Sprintf("`truncate -s %d` cuts it off", info.Size()-torn)
		found(f)
	}
	p := c.in.progress("check "+to, info.Size())
	defer p.end()
	record := make([]byte, size*1024)
	for at < info.Size() && c.in.ctx.Err() == nil {
		at = dataAfter(f, at) / size * size
		n, err := f.ReadAt(record, at)
		if err != nil && err != io.EOF {
			return sysfile.Wrap("read", to, err)
		}
		if int64(n) < size {
			break
		}
		for i := int64(0); i+size <= int64(n); i += size {
			l.Record((at+i)/size, record[i:i+size])
		}
		at += int64(n) / size * size
		p.at(at)
	}
	return context.Cause(c.in.ctx)
}

// seekData is SEEK_DATA, on Linux, illumos and Solaris.
const seekData = 3

// dataAfter returns where a file has data next: lastlog is mostly holes. At its end, and
// where the file system does not tell, it returns the offset.
func dataAfter(f *os.File, from int64) int64 {
	at, err := f.Seek(from, seekData)
	if errors.Is(err, errNoData) {
		at, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return from
	}
	return max(from, at)
}

// findingLine prints a finding as one line.
func findingLine(w io.Writer, s screen) func(string, check.Finding) error {
	return func(file string, f check.Finding) error {
		place := ""
		if f.To > 0 {
			place = fmt.Sprintf(" bytes %d to %d:", f.From, f.To)
		}
		_, err := fmt.Fprintf(w, "%s:%s %s: %s; %s\n", s.text(file), place, f.Severity, s.text(f.Text), f.Advice)
		return err
	}
}

// findingJSON prints a finding as a JSON object in one line.
func findingJSON(w io.Writer) func(string, check.Finding) error {
	return func(file string, f check.Finding) error {
		out := struct {
			File     string         `json:"file"`
			Kind     check.Kind     `json:"kind"`
			Severity check.Severity `json:"severity"`
			From     *int64         `json:"from"`
			To       *int64         `json:"to"`
			Time     *time.Time     `json:"time"`
			Text     string         `json:"text"`
			Advice   string         `json:"advice"`
		}{File: file, Kind: f.Kind, Severity: f.Severity, Text: f.Text, Advice: f.Advice}
		if f.To > 0 {
			out.From, out.To = &f.From, &f.To
		}
		if !f.At.IsZero() {
			t := f.At.Local()
			out.Time = &t
		}
		return printJSON(w, "", out)
	}
}
