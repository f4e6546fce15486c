// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
)

// From yields the records behind a mark up to the end of the log. If the log
// was rotated since, the file of the mark is looked for beside it by its inode
// (wtmp.1, wtmp-20260701, ...), and its rest comes first, then the files rotated
// after it, then the present one. It takes no lock. An error ends it, but for
// [ErrMarkLost]: the present file follows it, from the beginning, for who goes on.
// So it is if the file became shorter than the mark.
func (l *Log) From(m Mark) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for range rotationsMost {
			moved := false
			for _, at := range l.since(m) {
				var more bool
				if m, more, moved = l.readOn(at, m, yield); !more {
					return
				}
				if moved {
					break
				}
			}
			if !moved {
				return
			}
		}
		yield(Entry{}, wrap("read", l.name, errors.New("it is rotated again and again")))
	}
}

// rotationsMost is how often a reading begins again because the log was rotated
// meanwhile.
const rotationsMost = 3

// span is a file of the log from off on, or an error to yield in its place.
type span struct {
	name string
	gen  snapshot.Generation // zero: whatever has the name
	off  int64
	err  error
}

// readOn yields what is to be read of a file after the mark m, and returns the mark
// behind it. It yields nothing, and reports that, if the name leads to another file
// than when it was listed: then the others' do, too.
func (l *Log) readOn(at span, m Mark, yield yield) (behind Mark, more, moved bool) {
	if at.err != nil {
		return m, yield(Entry{}, at.err) && errors.Is(at.err, ErrMarkLost), false
	}
	p, err := l.part(at.name)
	if errors.Is(err, fs.ErrNotExist) && at.name != l.name {
		return m, true, true
	}
	if err != nil {
		return m, yield(Entry{}, err), false
	}
	defer p.close()
	if at.gen != (snapshot.Generation{}) && at.gen != p.gen {
		return m, true, true
	}
	more = p.forward(at.off, p.end, yield)
	return Mark{p.gen, p.end}, more, false
}

// since lists what is to be read from a mark on, oldest first.
func (l *Log) since(m Mark) []span {
	now, err := l.sys.Lookup(l.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []span{{err: wrap("read", l.name, err)}}
	}
	missing := err != nil
	lost := span{err: fmt.Errorf("utmpfile: read %s from inode %d, byte %d: %w", l.name, m.Generation.Ino, m.Offset, ErrMarkLost)}
	switch {
	case m == (Mark{}):
		return []span{{name: l.name}}
	case !missing && m.Generation == now.Generation && m.Offset <= now.Size:
		return []span{{name: l.name, gen: m.Generation, off: m.Offset}}
	case !missing && m.Generation == now.Generation:
		return []span{lost, {name: l.name}} // copied away and cut
	}
	old, err := l.rotated()
	if err != nil {
		return []span{{err: err}}
	}
	i := slices.IndexFunc(old, func(f rotated) bool { return f.info.Generation == m.Generation })
	if i < 0 {
		return []span{lost, {name: l.name}}
	}
	spans := []span{{name: old[i].name, gen: m.Generation, off: m.Offset}}
	for _, f := range old[i+1:] {
		spans = append(spans, span{name: f.name, gen: f.info.Generation})
	}
	return append(spans, span{name: l.name, gen: now.Generation})
}

// rotated is a file that was the log once.
type rotated struct {
	name string
	info sysfile.Info
}

// Rotated returns the names of the files beside the log that were rotated away,
// oldest first, compressed ones too, with names that end in .gz, .xz, .bz2, .zst
// or .Z. What stands there both compressed and not is named once. The order is
// that of their last change, which who compresses keeps.
func (l *Log) Rotated() ([]string, error) {
	files, err := l.away(true)
	var names []string
	for _, f := range files {
		ext := compression(f.name)
		plain := strings.TrimSuffix(f.name, ext)
		if ext == "" || !slices.ContainsFunc(files, func(g rotated) bool { return g.name == plain }) {
			names = append(names, f.name)
		}
	}
	return names, err
}

// rotated lists the files beside the log that were rotated away, by the time of
// their last change, oldest first: that of the last record, which neither a new
// name nor a new number alters. Compressed ones are left out.
func (l *Log) rotated() ([]rotated, error) { return l.away(false) }

func (l *Log) away(compressed bool) ([]rotated, error) {
	dir, base := filepath.Split(l.name)
	names, err := l.sys.List(filepath.Clean(dir + "."))
	if err != nil {
		return nil, wrap("look for older files of", l.name, err)
	}
	now, _ := l.sys.Lookup(l.name)
	var files []rotated
	for _, name := range names {
		ext := compression(name)
		if ext != "" && !compressed || !isRotated(base, strings.TrimSuffix(name, ext)) {
			continue
		}
		// A file that is gone by now, or is none, is no part of the log.
		info, err := l.sys.Lookup(dir + name)
		if err != nil || !info.Mode.IsRegular() || info.Generation == now.Generation {
			continue
		}
		files = append(files, rotated{dir + name, info})
	}
	slices.SortFunc(files, func(a, b rotated) int {
		return cmp.Or(a.info.Modified.Compare(b.info.Modified), -cmp.Compare(rank(a.name), rank(b.name)), cmp.Compare(a.name, b.name))
	})
	return files, nil
}

// compression returns the ending of a compressed file's name, "" of another's.
func compression(name string) string {
	if ext := filepath.Ext(name); slices.Contains([]string{".gz", ".xz", ".bz2", ".zst", ".Z"}, ext) {
		return ext
	}
	return ""
}

// isRotated reports whether name is base with a number or a date behind it, as
// logrotate, newsyslog and logadm name what they rotate: wtmp.1, wtmp-20260701,
// wtmp.2026-07-01.
func isRotated(base, name string) bool {
	suffix, ok := strings.CutPrefix(name, base)
	if !ok || len(suffix) < 2 || suffix[0] != '.' && suffix[0] != '-' {
		return false
	}
	return strings.Trim(suffix[1:], "0123456789-_.T:") == ""
}

// rank is the number that a rotated file has: a higher one is older.
func rank(name string) int {
	name = strings.TrimSuffix(name, compression(name))
	n, digits := 0, name[strings.LastIndexByte(name, '.')+1:]
	if len(digits) > 4 {
		return 0 // a date
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// Since yields the records whose time is t or later, in the order in which they
// were written, from rotated files also. Where the clock was set, times are not
// in order: the beginning is looked for backward in blocks of 512 records, up to
// the first block with none so late. It takes no lock. An error ends it.
func (l *Log) Since(t time.Time) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		late := func(e Entry, err error) bool {
			if err == nil && e.Time.Time().Before(t) {
				return true
			}
			return yield(e, err)
		}
		files, err := l.rotated()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		files = slices.DeleteFunc(files, func(f rotated) bool { return f.info.Modified.Before(t) })
		for _, f := range append(files, rotated{name: l.name}) {
			p, err := l.part(f.name)
			if err != nil {
				if !yield(Entry{}, err) {
					return
				}
				continue
			}
			off, err := p.seek(t)
			more := err == nil && p.forward(off, p.end, late)
			if err != nil {
				more = yield(Entry{}, err)
			}
			p.close()
			if !more {
				return
			}
		}
	}
}

// seek returns the offset of a block before which no record is as late as t.
func (p part) seek(t time.Time) (int64, error) {
	size := p.layout.Size()
	for end := p.end; end > 0; {
		off := max(0, end-int64(blockRecords*size))
		block, err := p.load(off, end)
		if err != nil {
			return 0, err
		}
		late := false
		for i := 0; i < len(block) && !late; i += size {
			late = !p.entry(block, i, off).Time.Time().Before(t)
		}
		if !late {
			return end, nil
		}
		end = off
	}
	return 0, nil
}
