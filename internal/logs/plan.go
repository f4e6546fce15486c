// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
)

// plan is what is to be read, as the files are at one moment.
type plan struct {
	rotated  []FileInfo // all files rotated away
	unlisted bool       // the directory could not be read
	steps    []step
	stale    bool // the files changed while it was made
}

// step is the reading of one file.
type step struct {
	FileInfo
	first  digest // of the file's first record; zero: it had none
	off    int64
	before digest // of the record before off, if that is known
	err    error  // why it cannot be read
	doubt  error  // why it could not be searched
	moved  bool   // the name leads to another file than listed, or to none
}

// rotatedOf returns the files but for the present one.
func rotatedOf(files []FileInfo, present string) []FileInfo {
	if n := len(files); n > 0 && files[n-1].Name == present {
		return files[:n-1]
	}
	return files
}

// plan lists what is to be read, oldest first. Its error is that of the
// directory; what is known without it is planned.
func (r *reading) plan() (plan, error) {
	files, err := r.log.Files(r.ctx)
	p := plan{rotated: rotatedOf(files, r.log.name), unlisted: err != nil}
	r.missing = len(p.rotated) == len(files)
	steps := make([]step, len(files))
	for i := range files {
		steps[i].FileInfo = files[i]
	}
	switch pos := r.position(); {
	case !pos.IsZero():
		p.steps = r.planFrom(steps, pos)
	case !r.since.IsZero():
		p.steps = r.planSince(steps)
	default:
		for i := range steps {
			r.look(&steps[i], nil)
		}
		p.steps = steps
	}
	p.stale = slices.ContainsFunc(steps, func(s step) bool { return s.moved }) || r.gap != nil && !r.unchanged(p)
	if p.stale {
		r.gap = nil
	}
	p.steps = withoutCopies(p.steps)
	return p, err
}

// look opens the file of a step for a moment.
func (r *reading) look(s *step, search func(f *File) error) {
	f, err := r.log.Open(r.ctx, s.Name)
	s.err = err
	if err != nil {
		s.moved = errors.Is(err, fs.ErrNotExist)
		return
	}
	defer f.Close()
	if s.Generation == (snapshot.Generation{}) {
		s.Info = f.info // it could not be looked up
	}
	s.moved = f.Generation() != s.Generation
	s.first = f.first
	if search != nil {
		s.doubt = search(f)
	}
}

// withoutCopies leaves out a copy of the present file that is there because it
// will be truncated next, as logrotate's copytruncate does.
func withoutCopies(steps []step) []step {
	if len(steps) == 0 {
		return steps
	}
	now := steps[len(steps)-1]
	i := 0
	return slices.DeleteFunc(steps, func(s step) bool {
		i++
		return i < len(steps) && s.first != (digest{}) && s.first == now.first && s.err == nil && !s.Compressed
	})
}

// planFrom returns the steps from a position on.
func (r *reading) planFrom(steps []step, pos Position) []step {
	found := false
	for i := range slices.Backward(steps) {
		s := &steps[i]
		r.look(s, func(f *File) error {
			found = f.holds(pos)
			return nil
		})
		if found {
			s.off, s.before = pos.offset, pos.last
			return steps[i:]
		}
	}
	for i := range slices.Backward(steps) {
		s := &steps[i]
		if s.err != nil {
			continue
		}
		off := int64(0)
		r.look(s, func(f *File) (err error) {
			off, found, err = f.search(pos)
			return err
		})
		if found {
			s.off, s.before = off, pos.last
			return steps[i:]
		}
	}
	if n := len(steps); n > 0 && steps[n-1].Name == r.log.name && steps[n-1].err != nil {
		return steps[n-1:] // it may hold the position, and nothing comes after it
	}
	r.gap = &GapError{Name: r.log.name, After: pos.Time()}
	return r.planGap(steps, pos)
}

// planGap returns the steps after a position that was not found: from the first record on
// that is later than it. What is not later was read before, as far as anybody can tell: in
// a file that has lost its end, or in one that was left or put back when others went.
func (r *reading) planGap(steps []step, pos Position) []step {
	begin := len(steps)
	for i := range steps {
		s := &steps[i]
		if s.err != nil {
			continue
		}
		off, later := int64(0), false
		r.look(s, func(f *File) (err error) {
			off, later, err = f.later(pos.time)
			return err
		})
		if later {
			s.off, begin = off, i
			break
		}
	}
	// What cannot be read may hold the position, unless it is older.
	var unread []step
	for _, s := range steps[:begin] {
		if s.err = errors.Join(s.err, s.doubt); s.err != nil && !s.Modified.Before(pos.Time().Add(-coarse)) {
			unread = append(unread, s)
		}
	}
	return append(unread, steps[begin:]...)
}

// coarse is by how much the time of a file's last change may be before the time in the
// record that was written then: the resolution of some file systems.
const coarse = 2 * time.Second

// planSince returns the steps for records of a time or later.
func (r *reading) planSince(steps []step) []step {
	n := len(steps)
	i := 0
	steps = slices.DeleteFunc(steps, func(s step) bool {
		i++
		return s.Modified.Before(r.since.Add(-coarse)) && i < n
	})
	for i := range steps {
		s := &steps[i]
		r.look(s, func(f *File) error {
			s.off = f.since(r.since)
			return nil
		})
	}
	return steps
}

// since returns the offset of a block before which no record is as late as t. It
// is 0 for a compressed file, and for one that cannot be read.
func (f *File) since(t time.Time) int64 {
	if f.compression != nil {
		return 0
	}
	end := f.size
	for b, err := range f.Reuse().blocksBackward(end) {
		if IsDamage(err) {
			continue
		}
		if err != nil {
			return 0
		}
		late := false
		for i := 0; i < len(b.data) && !late; i += b.layout.Size() {
			_, at, _ := b.layout.Peek(b.data[i:])
			late = !at.Time().Before(t)
		}
		if !late {
			break
		}
		end = b.off
	}
	return end
}
