package utmpfile

import (
	"context"
	"maps"
	"slices"

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
		if err := l.Follow(lines); err != nil {
			return err
		}
		h, info, err := l.lock(ctx, AppendOnly, utmpx.Generation{})
		if err != nil {
			return wrap("append to", l.name, err)
		}
		ok, err := l.appendAfter(h, info, lines, choose)
		h.Close()
		if ok || err != nil {
			return wrap("append to", l.name, err)
		}
		if ctx.Err() != nil {
			return wrap("append to", l.name, l.locked(ctx, info.Generation, AppendOnly))
		}
	}
}

// appendAfter is the part under the lock. It returns false if too much came
// before it, or another file.
func (l *Log) appendAfter(h Handle, info Info, lines *Lines, choose func(*Lines) []utmpx.Record) (bool, error) {
	layout, err := l.layout(h, info)
	if err == nil {
		info.Size, err = settle(h, info.Size, layout)
	}
	if err != nil {
		return false, err
	}
	p := part{h: h, name: l.name, gen: info.Generation, layout: layout, l: l, end: whole(info.Size, layout)}
	p.block = l.blocks.Get().(*[]byte)
	defer l.blocks.Put(p.block)
	if ok, err := lines.follow(p, soonRead); !ok || err != nil {
		return false, err
	}
	recs := choose(lines)
	if len(recs) == 0 {
		return true, nil
	}
	if err := appendTo(h, info.Size, layout, recs); err != nil {
		return false, err
	}
	// Read back what stands there now: one who takes no lock may have been first.
	if info, err = h.Info(); err != nil {
		return true, nil // written all the same
	}
	p.end = whole(info.Size, layout)
	_, _ = lines.follow(p, 1<<40)
	return true, nil
}

// Follow feeds lines with what was appended to the log since, under no lock. A
// log that is another file by now, or was cut, is read anew; the logins that
// stood open in the file before it are kept in mind.
func (l *Log) Follow(lines *Lines) error {
	p, err := l.part(l.name)
	if err != nil {
		return err
	}
	defer p.close()
	if ok, err := lines.follow(p, 1<<40); ok || err != nil {
		return err
	}
	older, whole := l.older(lines)
	if err := lines.start(p); err != nil {
		return err
	}
	if !lines.ended {
		lines.older, lines.whole = older, whole
	}
	return nil
}

// older returns the logins that stand open at the end of the files rotated
// away, and whether those tell all. What was read before is not read again.
func (l *Log) older(lines *Lines) (open map[string]Last, whole bool) {
	var files []span
	if lines.mark == (Mark{}) {
		*lines = Lines{}
		files, whole = l.sinceBoot()
	} else {
		files, whole = l.since(lines.mark), lines.whole
	}
	for _, at := range files {
		if at.err != nil {
			whole = false
			continue
		}
		if at.name == l.name {
			break // the present one
		}
		p, err := l.part(at.name)
		if err != nil {
			whole = false
			continue
		}
		p.forward(at.off, p.end, func(e Entry, err error) bool {
			if err == nil {
				lines.feed(e)
				return true
			}
			whole = false
			return false
		})
		p.close()
	}
	open = maps.Clone(lines.older)
	if open == nil {
		open = make(map[string]Last)
	}
	maps.DeleteFunc(open, func(line string, _ Last) bool { return lines.Seen(line) })
	if maps.Copy(open, lines.open); len(open) > maxLines {
		return maps.Clone(lines.open), false
	}
	return open, whole && !lines.full
}

// sinceBoot lists the files rotated away that tell of this boot, oldest first,
// the first from the boot on if it stands there. whole is false if there are
// compressed ones that may tell more.
func (l *Log) sinceBoot() (files []span, whole bool) {
	old, err := l.rotated()
	if err != nil {
		return nil, false
	}
	for _, f := range slices.Backward(old) {
		at := span{name: f.name}
		p, err := l.part(f.name)
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
