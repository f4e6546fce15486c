// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Options configure a repair.
type Options struct {
	DryRun   bool                    // find out what is to be done, and do nothing
	Now      time.Time               // for the backup's name
	Patience time.Duration           // most time to wait for a lock
	Late     time.Duration           // most time to wait for writers that have the old file open
	Progress func(done, total int64) // bytes of the file; nil: nobody looks
}

// Report is what a repair did, or would do.
type Report struct {
	Records   int64              // in the new file, but for slots that are marked as ended
	Converted int64              // of these, from another layout
	Moved     int64              // of these, put into a slot of a utmpx file
	Unfit     int64              // records of another layout that do not fit this one; they are lost
	Damage    []logs.DamageError // parts without a whole record, the first ones
	Parts     int64              // how many there are
	Bytes     int64              // in all of these, and in the part of a record at the end
	Torn      int64              // bytes of a part of a record at the end
	Layout    *utmpx.Layout
	Backup    string // its name; "" if nothing was to be done
	Late      int64  // records that came to the old file afterwards and were taken along
	Finished  int64  // records that an interrupted repair had left in the old file
	Again     bool   // the new file needs another repair
	Writers   bool   // a program may have the old file open still
	Notes     []string
}

// Right reports whether nothing is to be repaired.
func (r Report) Right() bool { return r.Parts == 0 && r.Converted+r.Moved+r.Unfit == 0 && r.Torn == 0 }

// damagesMost is how many damaged parts a report names.
const damagesMost = 10

// Errors that callers can tell apart.
var (
	// ErrCompressed: a compressed file is not changed.
	ErrCompressed = errors.New("it is compressed: decompress it, repair that file, and compress it again")
	// ErrUnsure: what is left of a file could be of another system.
	ErrUnsure = errors.New("too little is left of it to be sure of its layout; nothing was changed")
	// ErrBusy: the files change too often.
	ErrBusy = errors.New("it was replaced or truncated again and again meanwhile")
)

// tries bounds how often a file that was rotated meanwhile is begun again.
const tries = 5

// Log repairs a log. name must lead to the file itself, not to a symbolic link.
func Log(ctx context.Context, name string, o Options) (Report, error) {
	var r Report
	for range tries {
		l := &logRepair{ctx: ctx, name: name, o: o, dir: filepath.Dir(name)}
		done, err := l.run()
		r = l.report
		if err != nil {
			return r, sysfile.Wrap("repair", name, err)
		}
		if done {
			r.Again = r.Backup != "" && again(ctx, name)
			return r, nil
		}
	}
	return r, sysfile.Wrap("repair", name, ErrBusy)
}

// again reports whether the repaired file needs another repair: of few records, what stood
// between damage may look different without it. A part of a record at the end is a writer's
// at work.
func again(ctx context.Context, name string) bool {
	l := &logRepair{ctx: ctx, name: name, dir: filepath.Dir(name), o: Options{DryRun: true}}
	_, err := l.run()
	l.report.Torn = 0
	return err != nil || !l.report.Right()
}

// logRepair is one try to repair a log.
type logRepair struct {
	ctx    context.Context
	name   string
	dir    string
	o      Options
	report Report

	layout *utmpx.Layout
	gen    snapshot.Generation
	size   int64              // of the file, as it was read first
	end    int64              // of the last record that was copied
	tail   []logs.DamageError // behind it
	w      *bufio.Writer
	tmp    *os.File
}

// run reports whether the file was repaired. If not, it changed meanwhile.
func (l *logRepair) run() (done bool, err error) {
	if !l.o.DryRun {
		unlock, err := lockDir(l.dir)
		if err != nil {
			return false, err
		}
		defer unlock()
		if err := errors.Join(clean(l.name), l.finish()); err != nil {
			return false, err
		}
	}
	if err := l.survey(); err != nil || l.report.Right() || l.o.DryRun {
		return true, err
	}
	if err := changeable(l.name); err != nil {
		return false, err
	}
	if err := l.create(); err != nil {
		return false, err
	}
	defer func() {
		if l.tmp != nil {
			l.tmp.Close()
			os.Remove(l.tmp.Name())
		}
	}()
	if err := l.copy(); err != nil {
		return false, err
	}
	old, done, err := l.replace()
	if err != nil || !done {
		return false, err
	}
	return true, l.follow(old)
}

// follow takes along what comes to the old file, and keeps it as the backup.
func (l *logRepair) follow(old replaced) error {
	if err := syncDir(l.dir); err != nil {
		return err
	}
	n, open, err := l.late(old.name, old.from, nil)
	l.report.Late, l.report.Writers = n, open
	if err != nil {
		return fmt.Errorf("%w; the file is repaired, and what came late is in %s: run repair again", bare(err), old.name)
	}
	if n == 0 && !open {
		l.unfill(old)
	}
	l.report.Backup, err = settle(l.name, old.name, l.o.Now)
	return err
}

// replaced is the old file: its second name, how far it was read, and what it was before it
// was filled up.
type replaced struct {
	name string
	from int64
	was  sysfile.Info
}

// survey reads the file and counts what is to be done. The layout of the new file is that
// of most records.
func (l *logRepair) survey() error {
	f, err := logs.New(l.name, logs.Options{}).Open(l.ctx, l.name)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Compressed() {
		return ErrCompressed
	}
	l.gen, l.size, l.layout = f.Generation(), f.Size(), f.Layout()
	counts := map[*utmpx.Layout]int64{}
	end := int64(0)
	for e, err := range f.Reuse().Raw(0) {
		if d, damaged := damageOf(err); damaged {
			l.report.add(d)
			end = d.To
			continue
		}
		if err != nil {
			return err
		}
		counts[e.Layout]++
		end = e.Offset + int64(len(e.Bytes))
		l.progress(end / 2)
	}
	l.choose(counts)
	if l.report.Records == 0 && l.size > 0 {
		return recfile.ErrLayout
	}
	if end < l.size {
		l.report.Torn = l.size - end
		l.report.Bytes += l.report.Torn
	}
	return nil
}

// choose takes the layout of most records for that of the new file.
func (l *logRepair) choose(counts map[*utmpx.Layout]int64) {
	for _, layout := range utmpx.Layouts() {
		if counts[layout] > counts[l.layout] {
			l.layout = layout
		}
	}
	for layout, n := range counts {
		l.report.Records += n
		if !grid.Alike(layout, l.layout) {
			l.report.Converted += n
		}
	}
	l.report.Layout = l.layout
}

func (r *Report) add(d logs.DamageError) {
	if r.Parts++; r.Parts <= damagesMost {
		r.Damage = append(r.Damage, d)
	}
	r.Bytes += d.To - d.From
}

func damageOf(err error) (logs.DamageError, bool) {
	var d *logs.DamageError
	if err == nil || !errors.As(err, &d) {
		return logs.DamageError{}, false
	}
	return *d, true
}

func (l *logRepair) progress(done int64) {
	if l.o.Progress != nil {
		l.o.Progress(done, l.size)
	}
}

// create creates the new file.
func (l *logRepair) create() error {
	tmp := l.name + unready
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("create %s: %w", tmp, bare(err))
	}
	l.tmp, l.w = f, bufio.NewWriterSize(f, 1<<18)
	return nil
}

// copy copies the records to the new file and makes it durable, with no lock held.
func (l *logRepair) copy() error {
	f, err := logs.New(l.name, logs.Options{}).Open(l.ctx, l.name)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Generation() != l.gen {
		return nil // replace sees that too
	}
	l.report = Report{Layout: l.layout, Finished: l.report.Finished, Notes: l.report.Notes}
	if err := l.records(f, 0); err != nil {
		return err
	}
	l.report.Torn = 0
	head := make([]byte, recfile.HeadSize)
	n, err := l.tmp.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if n > 0 && !readsAs(l.layout, head[:n]) {
		return ErrUnsure
	}
	return l.tmp.Sync()
}

// records copies the records from an offset on.
func (l *logRepair) records(f *logs.File, from int64) error {
	l.end, l.tail = from, nil
	var to []byte
	for e, err := range f.Reuse().Raw(from) {
		if d, damaged := damageOf(err); damaged {
			l.tail = append(l.tail, d)
			continue
		}
		if err != nil {
			return err
		}
		for _, d := range l.tail {
			l.report.add(d)
		}
		l.tail = l.tail[:0]
		l.end = e.Offset + int64(len(e.Bytes))
		p := e.Bytes
		if !grid.Alike(e.Layout, l.layout) {
			if to, err = l.layout.AppendEncode(to[:0], e.Decode()); err != nil {
				l.report.Unfit++
				continue
			}
			l.report.Converted++
			p = to
		}
		l.report.Records++
		if _, err := l.w.Write(p); err != nil {
			return noSpace(err, l.size)
		}
		l.progress(l.size/2 + l.end/2)
	}
	return noSpace(l.w.Flush(), l.size)
}

// replace takes along what came meanwhile, and puts the new file in the place of the old
// one, under the lock. It is not done if the file was replaced, or written without a lock,
// by others.
func (l *logRepair) replace() (old replaced, done bool, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.o.Patience)
	defer cancel()
	h, info, err := recfile.Hold(ctx, sysfile.Kernel(), l.name, sysfile.AppendOnly)
	if err != nil {
		return old, false, err
	}
	defer h.Close()
	if info.Generation != l.gen || info.Size < l.size {
		return old, false, nil
	}
	size, err := l.rest(h)
	if err != nil {
		return old, false, err
	}
	if info, err = h.Info(); err != nil {
		return old, false, err
	}
	if old.from, err = fill(h, size, l.layout); err != nil {
		return old, false, err
	}
	if old.was = info; old.from != size {
		now, err := h.Info()
		if err != nil || now.Size != old.from {
			return old, false, err
		}
		_ = os.Chtimes(l.name, info.Accessed, info.Modified) // of no weight: the new file has them
	}
	if err := l.attributes(info); err != nil {
		return old, false, err
	}
	old.name, err = l.rename(old.from)
	return old, err == nil, err
}

// rename gives the old file a second name, and the new file the first. It returns the
// second one.
func (l *logRepair) rename(from int64) (string, error) {
	copied, err := l.tmp.Stat()
	if err != nil {
		return "", err
	}
	old := unfinishedName(l.name, from, copied.Size(), l.o.Now)
	if err := os.Link(l.name, old); err != nil {
		return "", fmt.Errorf("keep the old file as %s: %w", old, bare(err))
	}
	if err := os.Rename(l.tmp.Name(), l.name); err != nil {
		os.Remove(old)
		return "", err
	}
	l.tmp.Close()
	l.tmp = nil
	return old, nil
}

// Limits of the wait for a writer that takes no lock and is in the midst of a record.
const (
	growthPause  = 5 * time.Millisecond
	growthChecks = 20
)

// rest copies what came since the file was copied. h is locked. It returns the size of
// the file.
func (l *logRepair) rest(h sysfile.Handle) (int64, error) {
	f, err := logs.New(l.name, logs.Options{Layout: l.layout}).Wrap(l.ctx, l.name, h)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for same := 0; ; {
		if err := l.records(f, l.end); err != nil {
			return 0, err
		}
		was, end := f.Size(), l.end
		for _, d := range l.tail {
			end = d.To
		}
		if end >= was || same == growthChecks {
			for _, d := range l.tail {
				l.report.add(d)
			}
			l.report.Torn = was - end
			l.report.Bytes += l.report.Torn
			return was, nil
		}
		time.Sleep(growthPause)
		if err := f.Refresh(); err != nil {
			return 0, err
		}
		if same++; f.Size() != was {
			same = 0
		}
	}
}

// fill fills up a part of a record at the end of the old file, so that the next record of
// any writer stands behind it. It returns where that is.
func fill(h sysfile.Handle, size int64, layout *utmpx.Layout) (int64, error) {
	n := int64(layout.Size())
	gap := (n - size%n) % n
	if gap == 0 {
		return size, nil
	}
	k, err := h.Append(make([]byte, gap))
	if err == nil && int64(k) < gap {
		err = io.ErrShortWrite
	}
	return size + gap, err
}

// unfill takes away what fill added, if nothing came behind it: the backup is the old file
// then. If that fails, the backup has some NULs at its end that nobody misses.
func (l *logRepair) unfill(old replaced) {
	if old.from == old.was.Size {
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.o.Patience)
	defer cancel()
	h, now, err := recfile.Hold(ctx, sysfile.Kernel(), old.name, sysfile.AppendOnly)
	if err != nil {
		return
	}
	defer h.Close()
	if now.Size == old.from && h.Truncate(old.was.Size) == nil {
		_ = os.Chtimes(old.name, old.was.Accessed, old.was.Modified)
	}
}

// attributes gives the new file what the old one has.
func (l *logRepair) attributes(info sysfile.Info) error {
	notes, err := likeness(l.tmp, l.name, info)
	l.report.Notes = append(l.report.Notes, notes...)
	return err
}
