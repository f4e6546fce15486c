// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"bytes"
	"encoding/binary"
	"strings"

	"utmpd.dev/utmpd/utmpx"
)

// ending is how a session ended.
type ending int

const (
	loggedOut ending = iota
	wentDown         // the system was shut down
	crashed          // the next boot is there, and nothing before it
	noLogout         // it is the last on its line, and cannot be there any more
	stillOn
	running // of a boot or a run level: until now
	moment  // it has no end
)

// history is what is known when a record is looked at: what is newer in the file.
type history struct {
	places places
	// ends has the lines that were seen. Of those of this span, which has no boot and no
	// shutdown, it knows when a session on it ended at the latest: at the time of the
	// next record there.
	ends map[string]*lineEnd
	span int
	// recent finds the lines that were seen last, by their bytes.
	recent [256]recentLine
	// down is when the system went down or came up next, and how sessions ended that
	// nothing else ended. 0: not known.
	down    int64
	downHow ending
	// shutdown is the next shutdown, level the next change of the run level or shutdown.
	shutdown, level           int64
	shutdownKnown, levelKnown bool
}

// lineEnd is a value of its own, since setting it in the map would set the key too, to a
// string that shares a block's memory.
type lineEnd struct {
	at   int64
	span int
}

// recentLine is a line of less than sixteen bytes, which are in two words.
type recentLine struct {
	key [2]uint64
	end *lineEnd
}

// mostLines is how many lines are kept from one span to the next.
const mostLines = 1 << 16

// history lists the sessions of a file, the newest first.
func (l *last) history(b *backward) error {
	h := history{ends: make(map[string]*lineEnd), places: placesOf(b.layout)}
	size := b.layout.Size()
	for {
		ok, err := b.step()
		if !ok {
			return err
		}
		for n := len(b.block); n > 0; n -= size {
			if more := l.next(&h, b.layout, b.block[n-size:n]); !more {
				return nil
			}
		}
	}
}

// next takes in a record. It returns false if no more lines are wanted.
func (l *last) next(h *history, layout *utmpx.Layout, b []byte) (more bool) {
	typ, at, first := layout.Peek(b)
	if l.old {
		at.Sec = signed(layout, at.Sec)
	}
	if !l.within(at.Sec) {
		return true
	}
	if l.bad {
		l.take(h, typ, at, layout, b)
		if !l.addresses && !l.names {
			l.login.Line = text(b, h.places.line, nameWidth)
		}
		return l.list(&l.login, l.login.Line, at.Sec, loggedOut)
	}
	named := first != 0 && first != '~' && first != '|' && first != '{' // it is a line's
	switch {
	case named && typ == utmpx.DeadProcess:
		e, _ := h.lineOf(b)
		e.at, e.span = at.Sec, h.span
		return true
	case named && typ == utmpx.UserProcess:
		l.take(h, typ, at, layout, b)
		e, line := h.lineOf(b)
		l.login.Line = line
		if l.login.User == "" {
			e.at, e.span = at.Sec, h.span
			return true
		}
		return l.session(h, &l.login, e, b)
	}
	r := decode(layout, b, l.old)
	return l.record(h, &r, b)
}

// within reports whether -s and -t let a record through.
func (l *last) within(sec int64) bool {
	return (l.since == 0 || sec >= l.since) && (l.until == 0 || sec <= l.until)
}

// take takes out of a record what is shown of a login, but for the line. Most records are
// one, or a logout.
func (l *last) take(h *history, typ utmpx.Type, at utmpx.Time, layout *utmpx.Layout, b []byte) {
	if l.addresses || l.names {
		l.login = decode(layout, b, l.old)
		return
	}
	l.login.Type, l.login.Time = typ, at
	l.login.User = text(b, h.places.user, nameWidth)
	if !l.noHost {
		l.login.Host = text(b, h.places.host, hostWidth)
	}
}

// shutdownTime is the type that a RUN_LVL record of a shutdown has here.
const shutdownTime utmpx.Type = 254

// kind returns what a record stands for. Some programs say it by the names of the line
// and the user, and not by the type.
func kind(r *utmpx.Record) utmpx.Type {
	switch {
	case !strings.HasPrefix(r.Line, "~"):
	case strings.HasPrefix(r.User, "shutdown"):
		return shutdownTime
	case strings.HasPrefix(r.User, "reboot"):
		return utmpx.BootTime
	case strings.HasPrefix(r.User, "runlevel"):
		return utmpx.RunLevel
	default:
		return r.Type
	}
	if strings.HasPrefix(r.User, "date") {
		switch {
		case strings.HasPrefix(r.Line, "|"):
			return utmpx.OldTime
		case strings.HasPrefix(r.Line, "{"):
			return utmpx.NewTime
		}
	}
	switch {
	case r.User == "":
		return utmpx.DeadProcess
	case r.Type != utmpx.DeadProcess && r.Line != "" && !strings.HasPrefix(r.User, "LOGIN"):
		return utmpx.UserProcess
	}
	return r.Type
}

// record lists a record, if it is the beginning of something, and notes what it ends. It
// returns false if no more lines are wanted.
func (l *last) record(h *history, r *utmpx.Record, b []byte) (more bool) {
	at := r.Time.Sec
	switch k := kind(r); k {
	case utmpx.UserProcess:
		e := &lineEnd{span: -1} // a login without a line is ended by nothing on it
		if r.Line != "" {
			e = h.line(r.Line)
		}
		return l.session(h, r, e, b)
	case utmpx.DeadProcess:
		if r.Line != "" {
			e := h.line(r.Line)
			e.at, e.span = at, h.span
		}
	case shutdownTime:
		more = !l.system || l.list(r, "system down", h.down, loggedOut)
		h.shutdown, h.level = at, at
		h.shutdownKnown, h.levelKnown = true, true
		h.all(at, wentDown)
		return more
	case utmpx.BootTime:
		return l.boot(h, r)
	case utmpx.RunLevel:
		return l.runLevel(h, r)
	case utmpx.OldTime:
		return !l.system || l.list(r, "old time", l.orNow(h.shutdown, h.shutdownKnown), moment)
	case utmpx.NewTime:
		return !l.system || l.list(r, "new time", l.orNow(h.shutdown, h.shutdownKnown), moment)
	case utmpx.Empty, utmpx.InitProcess, utmpx.LoginProcess, utmpx.Accounting:
	default:
		l.warn("unrecognized ut_type: %d", r.Type)
	}
	return true
}

// boot lists a boot. Since 2.41, one that another follows has crashed.
func (l *last) boot(h *history, r *utmpx.Record) (more bool) {
	end, how := h.shutdown, until(h.shutdownKnown)
	if !l.old && h.shutdown > h.down {
		end, how = h.down, crashed
	}
	more = l.list(r, "system boot", l.orNow(end, how != running), how)
	h.all(r.Time.Sec, crashed)
	return more
}

// until is the ending of a boot or a run level.
func until(known bool) ending {
	if known {
		return loggedOut
	}
	return running
}

// orNow returns an end that is known, or the time at which the file was opened: to -p, what
// the system has begun lasts until then.
func (l *last) orNow(end int64, known bool) int64 {
	if known {
		return end
	}
	return l.now
}

// runLevel lists a change of the run level. 0 and 6 shut the system down.
func (l *last) runLevel(h *history, r *utmpx.Record) (more bool) {
	level := byte(r.PID)
	what, _, _ := strings.Cut("(to lvl "+string([]byte{level})+")", "\x00")
	more = !l.system || l.list(r, what, l.orNow(h.level, h.levelKnown), until(h.levelKnown))
	if level == '0' || level == '6' {
		h.shutdown, h.shutdownKnown = r.Time.Sec, true
		h.all(r.Time.Sec, wentDown)
	}
	h.level, h.levelKnown = r.Time.Sec, true
	return more
}

// session lists a login. e is what is known of its line, and b the record, of which r has
// only the names and the time.
func (l *last) session(h *history, r *utmpx.Record, e *lineEnd, b []byte) (more bool) {
	end, how := e.at, loggedOut
	switch {
	case e.span == h.span:
	case h.down != 0:
		end, how = h.down, h.downHow
	default:
		end, how = 0, noLogout
		if r.Time.Sec < l.booted {
			break // it cannot be there any more
		}
		user := r.User[:min(len(r.User), nameWidth-1)] // the longest name of an account
		if l.old {
			r.User = user
		}
		if l.accounts.present(user, r.Line, decode(utmpx.Native(), b, l.old).PID) {
			how = stillOn
		}
	}
	e.at, e.span = r.Time.Sec, h.span
	return l.list(r, r.Line, end, how)
}

// line returns what is known of a line.
func (h *history) line(name string) *lineEnd {
	e, ok := h.ends[name]
	if !ok {
		e = &lineEnd{span: -1}
		h.ends[strings.Clone(name)] = e
	}
	return e
}

// lineOf is line for the line of a record, and returns its name, too. It is quick for the
// usual ones.
func (h *history) lineOf(b []byte) (*lineEnd, string) {
	const short = 16
	field := b[h.places.line : h.places.line+nameWidth]
	n := bytes.IndexByte(field[:short], 0)
	if n < 0 {
		name := text(b, h.places.line, nameWidth)
		return h.line(name), name
	}
	name := shared(field[:n])
	key := [2]uint64{binary.LittleEndian.Uint64(field), binary.LittleEndian.Uint64(field[8:])}
	if n < 8 {
		key = [2]uint64{key[0] & (1<<(8*n) - 1), 0}
	} else {
		key[1] &= 1<<(8*(n-8)) - 1
	}
	const odd = 0x9e3779b97f4a7c15 // spreads what differs over the upper bits
	r := &h.recent[(key[0]*odd^key[1])*odd>>56]
	if r.end == nil || r.key != key {
		r.key, r.end = key, h.line(name)
	}
	return r.end, name
}

// all notes that all older sessions ended.
func (h *history) all(at int64, how ending) {
	h.down, h.downHow = at, how
	h.span++
	if len(h.ends) > mostLines {
		clear(h.ends)
		h.recent = [len(h.recent)]recentLine{}
	}
}
