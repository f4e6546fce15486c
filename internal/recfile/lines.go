// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/utmpx"
)

const (
	// maxLines bounds the lines of which something is remembered.
	maxLines = 1 << 16
	// maxHistory bounds how many records are looked at for the last boot: three
	// gigabytes of them, some seconds' reading.
	maxHistory = 1 << 23
)

// Lines knows the logins that stand open in a log: for each line, the one that
// is its last record. It is fed from where reading stopped, so that a long log
// costs no more than a short one. It is kept in memory, for at most 65536
// lines. The zero Lines is ready for use, with one log, by one goroutine.
//
// A login is closed by a DEAD_PROCESS record on its line or one without a user,
// and replaced by another login there. A boot or shutdown closes all, as
// last(1) sees it: a logout behind it would come too late.
//
// A login that stood open when the log was rotated stands open still, until the
// new file tells of its line.
type Lines struct {
	mark  Mark
	tail  []byte    // the record before the mark: another there is another history
	mtime time.Time // of the file when it was read: of an empty one nothing else shows that records came and were cut
	first utmpx.Time
	seen  map[string]*login   // lines with any record, since the beginning or the last boot; nil: none stands open
	open  int                 // how many are not nil
	older map[string]Last     // open at the end of the files rotated away
	told  map[string]struct{} // lines of which those tell, as far back as they could be read
	whole bool                // those files are known up to the last boot
	lost  bool                // what was read of the log last was not found again, and with it what came after
	ended bool                // a boot or shutdown stands in the file
	full  bool                // there are more lines than are remembered, or more history than is read
}

// Last is the login that is the last record of its line.
type Last struct {
	PID    int32
	ID     string
	User   string
	Time   utmpx.Time
	Offset int64 // of its record in the file, in bytes
}

// Last returns the login that stands open on a line. A line whose last record
// closes it has none, nor has one without records.
func (ls *Lines) Last(line string) (Last, bool) {
	if l := ls.seen[line]; l != nil {
		return l.Last, true
	}
	if ls.Seen(line) {
		return Last{}, false
	}
	last, ok := ls.older[line]
	return last, ok
}

// Whole reports whether every login that can stand open is known: back to the
// last boot, through the files rotated away. If not, some of those could not be
// read: compressed, say, or gone.
func (ls *Lines) Whole() bool { return ls.whole }

// FirstTime returns the time of the log's first record that has one. A session
// older than it may have its login in a file rotated away.
func (ls *Lines) FirstTime() (t utmpx.Time, ok bool) { return ls.first, !ls.first.IsZero() }

// Seen reports whether something in the present file tells of the line: any
// record of it, or a boot or shutdown. It reports true if there are too many
// lines to know.
func (ls *Lines) Seen(line string) bool {
	_, ok := ls.seen[line]
	return ok || ls.ended || ls.full
}

// Told reports whether something tells of the line, in the present file or in
// those rotated away, as far back as they could be read. Only where it is false
// can a login stand open that was not found.
func (ls *Lines) Told(line string) bool {
	_, ok := ls.told[line]
	return ok || ls.Seen(line)
}

// Len returns the number of logins that stand open in the present file.
func (ls *Lines) Len() int { return ls.open }

// Mark returns how far the log has been read.
func (ls *Lines) Mark() Mark { return ls.mark }

// logins returns all that stand open, in the present file and before it.
func (ls *Lines) logins() map[string]Last {
	all := make(map[string]Last, len(ls.older)+ls.open)
	for line, last := range ls.older {
		if !ls.Seen(line) {
			all[line] = last
		}
	}
	ls.addOpen(all)
	return all
}

// addOpen adds the logins that stand open in the present file.
func (ls *Lines) addOpen(to map[string]Last) {
	for line, l := range ls.seen {
		if l != nil {
			to[line] = l.Last
		}
	}
}

// follows reports whether the file goes on from what was read of it. If so, it
// is read up to its end, but only if no more than limit records have come.
func (ls *Lines) follow(p part, limit int64) (bool, error) {
	size := int64(p.layout.Size())
	if ls.mark.Generation != p.gen || ls.mark.Offset > p.end || ls.mark.Offset%size != 0 {
		return false, nil
	}
	if ls.mark.Offset == 0 && !ls.mtime.Equal(p.mtime) {
		return false, nil
	}
	if p.end-ls.mark.Offset > limit*size {
		return false, nil
	}
	from := max(0, ls.mark.Offset-size)
	ok := true
	var failed error
	p.forward(from, p.end, func(e Entry, err error) bool {
		switch {
		case err != nil:
			failed = err
		case e.Offset < ls.mark.Offset:
			ok = e.Raw() == string(ls.tail)
		default:
			ls.feed(e)
		}
		return ok && err == nil
	})
	return ok && failed == nil, failed
}

// start reads a file anew: backward to the last boot, then forward from there. A
// login further back than so many records is not known of, and then of no line
// that is not seen later.
func (ls *Lines) start(p part, history int) error {
	*ls = Lines{mark: Mark{Generation: p.gen}, mtime: p.mtime, lost: ls.lost}
	var failed error
	p.forward(0, p.end, func(e Entry, err error) bool {
		failed, ls.first = err, e.Time
		return err == nil && e.Time.IsZero()
	})
	from := int64(0)
	if failed == nil {
		oldest, found := p.end-int64(history)*int64(p.layout.Size()), false
		p.backward(p.end, func(e Entry, err error) bool {
			failed, from, found = err, e.Offset, err == nil && ends(e.Record)
			return err == nil && !found && from > oldest
		})
		ls.full = from > 0 && !found
	}
	if failed == nil {
		p.forward(from, p.end, func(e Entry, err error) bool {
			if failed = err; err == nil {
				ls.feed(e)
			}
			return err == nil
		})
	}
	if failed != nil {
		*ls = Lines{}
	}
	return failed
}

// feed takes the next record.
func (ls *Lines) feed(e Entry) {
	ls.mark, ls.tail = e.Mark(), append(ls.tail[:0], e.Raw()...)
	if ls.first.IsZero() {
		ls.first = e.Time
	}
	if ends(e.Record) {
		clear(ls.seen)
		ls.open, ls.older, ls.told = 0, nil, nil
		ls.ended, ls.whole, ls.full, ls.lost = true, true, false, false
		return
	}
	if e.Line == "" {
		return
	}
	was, known := ls.seen[e.Line]
	if !known && len(ls.seen) >= maxLines {
		ls.full = true
		return
	}
	// A key that is written over becomes the new one, which is part of a block.
	line := ""
	if was != nil {
		line = was.line
	} else {
		line = strings.Clone(e.Line)
	}
	switch {
	case e.Type == utmpx.UserProcess && e.User != "":
		ls.set(line, was, &login{line: line, Last: Last{
			PID: e.PID, ID: strings.Clone(e.ID), User: strings.Clone(e.User), Time: e.Time, Offset: e.Offset,
		}})
	case !known, was != nil && (e.Type == utmpx.DeadProcess || isProcess(e.Type) && e.User == ""):
		ls.set(line, was, nil)
	}
}

// login is one that stands open, and its line's key.
type login struct {
	Last
	line string
}

// set notes what stands open on a line now.
func (ls *Lines) set(line string, was, is *login) {
	if ls.seen == nil {
		ls.seen = make(map[string]*login)
	}
	ls.seen[line] = is
	if was != nil {
		ls.open--
	}
	if is != nil {
		ls.open++
	}
}

// ends reports whether a record closes every login before it.
func ends(r utmpx.Record) bool { return boots.KindOf(r).EndsLogins() }
