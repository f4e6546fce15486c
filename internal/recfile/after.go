// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"context"
	"maps"
	"slices"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// soonRead is how many records may be read under a lock: those that came
// between reading the log and locking it.
const soonRead = 512

// AppendAfter appends what choose returns, where choose sees the log as it is at
// that moment: lines is fed to the end of the file, and nobody who locks can
// write before the records are there. History is read before the lock is taken,
// and if more than 512 records come meanwhile, it is released and all begins
// again. choose must not block; it may return nothing.
//
// It holds a write lock as [Log.Append] does and writes in the same way, with the
// same errors. After an error of the write lines does not know of the records.
func (l *Log) AppendAfter(ctx context.Context, lines *Lines, choose func(*Lines) []utmpx.Record) error {
	for {
		// Reading is not cut short by a patience with locks: it would begin anew.
		if err := l.Follow(context.WithoutCancel(ctx), lines); err != nil {
			return err
		}
		h, info, err := l.lock(ctx, sysfile.AppendOnly, snapshot.Generation{})
		if err != nil {
			return wrap("append to", l.name, err)
		}
		ok, err := l.appendAfter(h, info, lines, choose)
		h.Close()
		if ok || err != nil {
			return wrap("append to", l.name, err)
		}
		if ctx.Err() != nil {
			return wrap("append to", l.name, l.locked(ctx, info.Generation, sysfile.AppendOnly))
		}
	}
}

// appendAfter is the part under the lock. It returns false if too much came
// before it, or another file.
func (l *Log) appendAfter(h sysfile.Handle, info sysfile.Info, lines *Lines, choose func(*Lines) []utmpx.Record) (bool, error) {
	layout, err := l.layout(h, info)
	if err == nil {
		info.Size, err = settle(h, info.Size, layout)
	}
	if err != nil {
		return false, err
	}
	p := part{h: h, name: l.name, gen: info.Generation, mtime: info.Modified, layout: layout, l: l, end: whole(info.Size, layout), fleeting: true}
	p.block = l.blocks.Get().(*[]byte)
	defer l.blocks.Put(p.block)
	if ok, err := lines.follow(p, soonRead); !ok || err != nil {
		return false, err
	}
	recs := choose(lines)
	if len(recs) == 0 {
		return true, nil
	}
	layout = l.begun(info.Size, layout, recs)
	if err := appendTo(h, info.Size, layout, recs); err != nil {
		return false, err
	}
	// Read back what stands there now: one who takes no lock may have been first.
	if info, err = h.Info(); err != nil {
		return true, nil // written all the same
	}
	p.layout, p.end = layout, whole(info.Size, layout)
	_, _ = lines.follow(p, 1<<40)
	return true, nil
}

// rotationsMost is how often Follow begins again because the log was rotated
// while it was read.
const rotationsMost = 3

// Follow feeds lines with what was appended to the log since, under no lock. A
// log that is another file by now, or was cut, is read anew; the logins that
// stood open in the file before it are kept in mind. If the log is rotated while
// it is read anew, that begins again. Reading ends with ctx; then lines has what
// it had, or nothing.
func (l *Log) Follow(ctx context.Context, lines *Lines) error {
	for range rotationsMost {
		if still, err := l.follow(ctx, lines); still || err != nil {
			return err
		}
		// A file may have been read twice, or half, and another not at all.
		lines.mark = Mark{}
	}
	return nil
}

// follow reports whether the log's files were the same all the while. The present
// one's name and inode do not tell: who copies and cuts it alters neither, and
// those rotated away change their names before it does.
func (l *Log) follow(ctx context.Context, lines *Lines) (bool, error) {
	p, err := l.fleeting(ctx, l.name)
	if err != nil {
		return false, err
	}
	defer p.close()
	if ok, err := lines.follow(p, 1<<40); ok || err != nil {
		return ok, err
	}
	// An error is met again where the files are read, and told by lines.whole.
	before, _ := l.rotated()
	older, told, whole := l.older(ctx, lines)
	if err := lines.start(p, maxHistory); err != nil {
		return false, err
	}
	if !lines.ended {
		lines.older, lines.told, lines.whole = older, told, whole
	}
	now, err := l.sys.Lookup(l.name)
	if err != nil || now.Generation != p.gen {
		return false, nil
	}
	after, _ := l.rotated()
	return slices.EqualFunc(before, after, rotated.same), nil
}

// older returns the logins that stand open at the end of the files rotated
// away, the lines of which those tell, and whether they tell all. What was read
// before is not read again, unless it cannot be found: the log was copied away
// and cut, say. Then the copies tell, and what is remembered of lines of which
// they do not.
func (l *Log) older(ctx context.Context, lines *Lines) (open map[string]Last, told map[string]struct{}, whole bool) {
	files, whole := l.since(lines.mark), lines.whole
	gap := false
	lost := lines.mark != (Mark{}) && !l.goesOn(ctx, lines, files[0])
	var remembered map[string]Last
	if lost || lines.mark == (Mark{}) {
		remembered = lines.logins()
		*lines = Lines{lost: lines.lost || lost}
		files, whole = l.sinceBoot(ctx)
	}
	for _, at := range files {
		if at.name == l.name {
			break // the present one
		}
		p, err := l.fleeting(ctx, at.name)
		if err != nil {
			whole, gap = false, true
			continue
		}
		p.forward(at.off, p.end, func(e Entry, err error) bool {
			if err == nil {
				lines.feed(e)
				return true
			}
			whole, gap = false, true
			return false
		})
		p.close()
	}
	open = lines.logins()
	maps.DeleteFunc(remembered, func(line string, _ Last) bool { return lines.Seen(line) })
	if maps.Copy(open, remembered); len(open) > maxLines {
		open = make(map[string]Last, lines.open)
		lines.addOpen(open)
		return open, nil, false
	}
	if told = lines.told; told == nil {
		told = map[string]struct{}{}
	}
	for line := range lines.seen {
		told[line] = struct{}{}
	}
	if gap || len(told) > maxLines { // what a gap hides may be a login
		told = nil
	}
	return open, told, whole && !lines.full && !lines.lost
}

// goesOn reports whether what was read of the log last stands, at its mark, in a
// file that was rotated away. The present one is that no longer, or lines would
// have been fed from it; and of a file that was empty nothing shows that it is.
func (l *Log) goesOn(ctx context.Context, lines *Lines, at span) bool {
	if at.err != nil || at.name == l.name || at.off == 0 {
		return false
	}
	p, err := l.fleeting(ctx, at.name)
	if err != nil {
		return false
	}
	defer p.close()
	last, err := p.load(max(0, at.off-int64(p.layout.Size())), at.off)
	return err == nil && p.end >= at.off && last == string(lines.tail)
}

// sinceBoot lists the files rotated away that tell of this boot, oldest first,
// the first from the boot on if it stands there. whole is false if there are
// compressed ones that may tell more.
func (l *Log) sinceBoot(ctx context.Context) (files []span, whole bool) {
	old, err := l.rotated()
	if err != nil {
		return nil, false
	}
	for _, f := range slices.Backward(old) {
		at := span{name: f.name}
		p, err := l.fleeting(ctx, f.name)
		if err != nil {
			return files, false
		}
		p.backward(p.end, func(e Entry, err error) bool {
			whole = err == nil && ends(e.Record)
			at.off = e.Offset
			return err == nil && !whole
		})
		p.close()
		files = slices.Insert(files, 0, at)
		if whole {
			return files, true
		}
	}
	return files, !l.compressed()
}
