// SPDX-License-Identifier: BSD-2-Clause

package repair

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// stampForm is the time in the name of a backup.
const stampForm = "20060102T150405"

// unfinishedName returns the name of the old file while writers may have it open. Its
// records from an offset on are to be taken along, and stand from another one on in the
// new file.
func unfinishedName(name string, from, to int64, now time.Time) string {
	return fmt.Sprintf("%s.unfinished-%d-%d-%s", name, from, to, now.Format(stampForm))
}

// parseUnfinished returns the offsets in the name of an old file.
func parseUnfinished(name, old string) (from, to int64, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(old, name+".unfinished-"), "-", 3)
	if len(parts) < 3 {
		return 0, 0, false
	}
	from, err := strconv.ParseInt(parts[0], 10, 64)
	to, err2 := strconv.ParseInt(parts[1], 10, 64)
	return from, to, err == nil && err2 == nil && from >= 0 && to >= 0
}

// settle gives the old file the name of a backup that is not there yet.
func settle(name, unfinished string, now time.Time) (backup string, err error) {
	for n := 1; ; n++ {
		backup = name + ".damaged-" + now.Format(stampForm)
		if n > 1 {
			backup += "-" + strconv.Itoa(n)
		}
		if err = os.Link(unfinished, backup); !errors.Is(err, os.ErrExist) {
			break
		}
		if same(unfinished, backup) { // a repair was killed after it made that link
			err = nil
			break
		}
	}
	if err != nil {
		return unfinished, fmt.Errorf("name the backup %s: %w", backup, bare(err))
	}
	if err := os.Remove(unfinished); err != nil {
		return backup, err
	}
	return backup, syncDir(filepath.Dir(name))
}

func same(a, b string) bool {
	x, err := os.Lstat(a)
	if err != nil {
		return false
	}
	y, err := os.Lstat(b)
	return err == nil && os.SameFile(x, y)
}

// Left returns what interrupted repairs of a file have left: files that programs may have
// written to.
func Left(name string) []string {
	left, _ := filepath.Glob(escape(name) + ".unfinished-*") // the pattern is a right one
	return left
}

// finish ends the repairs of a file that were interrupted.
func (l *logRepair) finish() error {
	for _, old := range Left(l.name) {
		if same(old, l.name) { // it was killed before the new file had the name
			if err := os.Remove(old); err != nil {
				return err
			}
			continue
		}
		from, to, ok := parseUnfinished(l.name, old)
		if !ok {
			continue
		}
		had, err := l.had(old, from, to)
		if err != nil {
			return err
		}
		n, _, err := l.late(old, from, had)
		if err != nil {
			return err
		}
		l.report.Finished += n
		if _, err := settle(l.name, old, l.o.Now); err != nil {
			return err
		}
	}
	return nil
}

// escape returns a pattern that matches a name.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// had returns how often the file has each of the late records already: the repair that was
// interrupted may have taken some along, to where it ended.
func (l *logRepair) had(old string, from, to int64) (map[string]int, error) {
	late, _, err := l.lateRecords(old, from)
	if err != nil || len(late) == 0 {
		return nil, err
	}
	had := map[string]int{}
	for _, r := range late {
		had[r] = 0
	}
	f, err := logs.New(l.name, logs.Options{}).Open(l.ctx, l.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if to > f.Size() {
		to = 0 // another file by now
	}
	for e, err := range f.Reuse().Raw(to) {
		if err != nil && !logs.IsDamage(err) {
			return nil, err
		}
		if n, wanted := had[string(e.Bytes)]; wanted && err == nil {
			had[string(e.Bytes)] = n + 1
		}
	}
	return had, nil
}

// Pauses between looks at the old file.
const (
	latePause = 10 * time.Millisecond
	quiet     = 11 * time.Second // glibc waits 10 seconds for a lock
)

// late takes along what writers append to the old file, until none has it open. had is
// how often the file has a record already. It returns how many it took, and whether a
// writer may have the old file open still.
func (l *logRepair) late(old string, from int64, had map[string]int) (taken int64, open bool, err error) {
	deadline := time.Now().Add(l.o.Late)
	looked := time.Now()
	for {
		gone := unwritten(old) // before the look: what such a writer wrote is there
		recs, end, err := l.lateRecords(old, from)
		if err != nil {
			return taken, true, err
		}
		recs = l.notHad(recs, had)
		if len(recs) > 0 {
			if err := l.append(recs); err != nil {
				return taken, true, err
			}
			taken += int64(len(recs))
			looked = time.Now()
		}
		from = end
		switch {
		case gone == writersNone, gone == writersUnknown && time.Since(looked) > min(quiet, l.o.Late):
			return taken, false, nil
		case time.Now().After(deadline):
			return taken, true, nil
		case l.ctx.Err() != nil:
			return taken, true, context.Cause(l.ctx)
		}
		time.Sleep(latePause)
	}
}

// notHad returns the records that the file does not have.
func (l *logRepair) notHad(recs []string, had map[string]int) []string {
	var left []string
	for _, r := range recs {
		if had[r] > 0 {
			had[r]--
			continue
		}
		left = append(left, r)
	}
	return left
}

// lateRecords returns the whole records of the old file from an offset on, and where
// they end, under the file's lock.
func (l *logRepair) lateRecords(old string, from int64) (recs []string, end int64, err error) {
	now, err := os.Lstat(old)
	if err != nil {
		return nil, from, err
	}
	if now.Size() <= from {
		return nil, from, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), l.o.Patience)
	defer cancel()
	h, info, err := recfile.Hold(ctx, sysfile.Kernel(), old, sysfile.AppendOnly)
	if err != nil {
		return nil, from, err
	}
	defer h.Close()
	size := int64(l.recordSize(h, info))
	p := make([]byte, size)
	for end = from; end+size <= info.Size; end += size {
		if _, err := h.ReadAt(p, end); err != nil {
			return recs, end, err
		}
		recs = append(recs, string(p))
	}
	return recs, end, nil
}

// recordSize returns the size of a record of the old file.
func (l *logRepair) recordSize(h sysfile.Handle, info sysfile.Info) int {
	if l.layout == nil { // this finishes another repair
		block := recfile.TakeBlock()
		defer recfile.GiveBlock(block)
		if f, err := logs.New(l.name, logs.Options{}).Open(l.ctx, l.name); err == nil {
			defer f.Close()
			return f.Layout().Size()
		}
		if layout, err := recfile.NewDetector(nil).Of(h, info, *block); err == nil {
			return layout.Size()
		}
		return utmpx.Native().Size()
	}
	return l.layout.Size()
}

// append appends records to the log, under its lock.
func (l *logRepair) append(recs []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), l.o.Patience)
	defer cancel()
	h, info, err := recfile.Hold(ctx, sysfile.Kernel(), l.name, sysfile.AppendOnly)
	if err != nil {
		return err
	}
	defer h.Close()
	p := []byte(strings.Join(recs, ""))
	n, err := h.Append(p)
	if err != nil && n > 0 {
		err = errors.Join(err, h.Truncate(info.Size))
	}
	return err
}
