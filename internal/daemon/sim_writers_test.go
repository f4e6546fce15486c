// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Who else writes to the files, and what becomes of those.

// put writes a record where pututxline(3) would, as the world's owners of
// records do. If torn, its second half follows a moment later, under the same lock.
func (w *simWorld) put(raw []byte, torn bool) {
	r := simLayout.Decode(string(raw))
	size := simLayout.Size()
	w.files.Change(utmpName, func(data []byte) []byte {
		data = data[:len(data)/size*size]
		at := placeOf(data, r)
		if at == len(data) {
			data = append(data, make([]byte, size)...)
		}
		w.countPut(data, at, r)
		copy(data[at:], raw)
		return data
	})
	w.fileChanged()
	if torn {
		w.tear(raw)
	}
}

// placeOf returns the offset at which pututxline(3) puts a record.
func placeOf(data []byte, r utmpx.Record) int {
	size := simLayout.Size()
	for at := 0; at < len(data); at += size {
		old := simLayout.Decode(string(data[at : at+size]))
		if old.Type < utmpx.InitProcess || old.Type > utmpx.DeadProcess {
			continue
		}
		if old.ID != "" && r.ID != "" && old.ID == r.ID || (old.ID == "" || r.ID == "") && old.Line == r.Line {
			return at
		}
	}
	return len(data)
}

// tear takes back all but the beginning of a record for a moment, under a lock:
// readers without one see the beginning alone.
func (w *simWorld) tear(raw []byte) {
	size := simLayout.Size()
	w.count("utmp record torn")
	w.disturb(30 * time.Millisecond)
	whole := w.files.ReadFile(utmpName)
	at := bytes.Index(whole, raw)
	if at < 0 {
		return
	}
	w.files.Change(utmpName, func(data []byte) []byte { clear(data[at+size/8 : at+size]); return data })
	h, err := w.files.As(ownerPID+2).Open(utmpName, 1)
	if err != nil {
		panic(err)
	}
	locked := h.TryLock(1) == nil
	finish := func() {
		if !w.exists(utmpName) {
			h.Close()
			return
		}
		w.files.Change(utmpName, func(data []byte) []byte {
			if at+size <= len(data) && bytes.HasPrefix(data[at:], raw[:size/8]) {
				copy(data[at:], raw)
			}
			return data
		})
		h.Close()
		w.fileChanged()
		w.retry()
	}
	if !locked {
		finish()
		return
	}
	time.AfterFunc(30*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		finish()
	})
}

// appendLog appends to the wtmpx file, cutting a torn tail as updwtmpx(3) does.
func (w *simWorld) appendLog(r utmpx.Record, of *simSession) {
	raw, err := simLayout.Encode(r)
	if err != nil {
		panic(err)
	}
	if !w.exists(wtmpName) || time.Now().Before(w.logFailsUntil) {
		return
	}
	w.files.Change(wtmpName, func(data []byte) []byte {
		if w.tornLog == nil {
			data = data[:len(data)/len(raw)*len(raw)]
		} else { // it gets in between, as O_APPEND allows
			data = append(data, w.tornLog...)
			w.tornLog = nil
		}
		return append(data, raw...)
	})
	w.history = append(w.history, logEntry{rec: simLayout.Decode(string(raw)), of: of})
	w.logChanged()
}

// blind reports whether utmpd is between its last look at a file and its
// write. A writer that takes no lock and writes just then cannot be helped.
func (w *simWorld) blind(name string) bool {
	if w.run != nil {
		for h := range w.run.handles {
			if h.blind && h.name == name {
				return true
			}
		}
	}
	return false
}

// appendTorn appends a record of a line of its own in two parts, without a lock.
// There is no second one if the writer dies.
func (w *simWorld) appendTorn(dies bool) {
	if w.blind(wtmpName) || w.tornLog != nil || !w.exists(wtmpName) || time.Now().Before(w.logFailsUntil) {
		return
	}
	raw, _ := simLayout.Encode(utmpx.Record{Type: utmpx.UserProcess, Line: "hvc0", ID: "hvc0", User: "carol", PID: 77,
		Time: utmpx.TimeOf(w.wallAt(time.Now()))})
	size := len(raw)
	clean := false
	w.files.Change(wtmpName, func(data []byte) []byte {
		if clean = len(data)%size == 0; clean {
			data = append(data, raw[:100]...)
		}
		return data
	})
	w.count("wtmp record torn")
	if dies || !clean {
		w.count("wtmp record torn for good")
		return
	}
	w.tornLog = raw[100:]
	w.disturb(0)
	time.AfterFunc(40*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.tornLog != nil {
			w.files.Change(wtmpName, func(data []byte) []byte { return append(data, w.tornLog...) })
			w.tornLog = nil
		}
		w.history = append(w.history, logEntry{rec: simLayout.Decode(string(raw))})
	})
}

// replace puts another file in the place of the utmpx file.
func (w *simWorld) replace(turned, empty bool) {
	if !w.exists(utmpName) {
		return
	}
	w.disturb(0)
	w.replaced++
	w.count("utmp replaced")
	data := w.files.ReadFile(utmpName)
	size := simLayout.Size()
	if turned { // the same records in other slots
		recs := slices.Collect(slices.Chunk(data[:len(data)/size*size], size))
		slices.Reverse(recs)
		data = slices.Concat(recs...)
	}
	if empty {
		data = nil
	}
	w.files.WriteFile(utmpName, data)
	w.fileChanged()
}

// remove takes a file away for a while. Whoever would write to it does not.
func (w *simWorld) remove(name string, d time.Duration) {
	if !w.exists(name) || w.tornLog != nil {
		return
	}
	w.disturb(d)
	if name == wtmpName { // what ends meanwhile has no logout, as with libc
		w.count("wtmp away")
		w.logAway = time.Now().Add(d + 10*time.Second)
		for _, s := range w.sessions { // a logout that was owed too
			at, ok := open(w.history, s.rec.Line)
			s.forgotten = s.forgotten || s.marked && ok && w.history[at].of == s
		}
	} else {
		w.count("utmp away")
	}
	w.replaced++
	w.files.Rename(name, name+".away")
	w.fileChanged()
	back := func() {
		if w.exists(name + ".away") {
			w.replaced++
			w.files.Rename(name+".away", name)
			for _, s := range w.sessions { // not seen while their records were away
				s.seenSince = time.Now()
			}
			w.fileChanged()
		}
	}
	w.restore = append(w.restore, back)
	time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		back()
	})
}

// copiedAndCut is the way of logrotate's copytruncate.
const copiedAndCut = 3

// rotate puts an empty wtmpx file in the place of the present one, which is
// kept, or lost, or cut.
func (w *simWorld) rotate(how int) {
	if !w.exists(wtmpName) || w.tornLog != nil {
		return
	}
	w.rotated = len(w.history)
	w.count("wtmp rotated")
	if slices.ContainsFunc(w.sessions, (*simSession).lives) {
		w.count("wtmp rotated in mid-session")
	}
	data := w.files.ReadFile(wtmpName)
	w.disturb(0)
	w.replaced++
	if how == copiedAndCut {
		w.shiftLogs()
		w.files.WriteFile(wtmpName+".1", data)
		w.files.Change(wtmpName, func([]byte) []byte { return nil })
		return
	}
	if how == 2 {
		w.lost = len(w.history)
		w.files.Remove(wtmpName)
	} else {
		w.shiftLogs()
		w.files.Rename(wtmpName, wtmpName+".1")
	}
	w.files.WriteFile(wtmpName, nil)
}

func (w *simWorld) shiftLogs() {
	for i := w.oldLogs; i > 0; i-- {
		w.files.Rename(fmt.Sprintf("%s.%d", wtmpName, i), fmt.Sprintf("%s.%d", wtmpName, i+1))
	}
	w.oldLogs++
}
