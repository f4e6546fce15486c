// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// read returns the current contents of the two files.
func (w *world) read() (file, log string) {
	f, _ := os.ReadFile(w.in("utmp"))
	l, _ := os.ReadFile(w.in("wtmp"))
	return string(f), string(l)
}

func records(content string) []utmpx.Record {
	l := utmpx.Native()
	var all []utmpx.Record
	for ; len(content) >= l.Size(); content = content[l.Size():] {
		all = append(all, l.Decode(content[:l.Size()]))
	}
	return all
}

// done reports whether every session that died is marked and logged out.
func (w *world) done() bool {
	file, log := w.read()
	return w.marked(file) && w.loggedOut(log)
}

func (w *world) marked(file string) bool {
	all := records(file)
	for _, s := range w.sessions {
		if s.gone && (s.slot >= len(all) || all[s.slot].Type != utmpx.DeadProcess) {
			return false
		}
	}
	return true
}

func (w *world) loggedOut(log string) bool {
	open := map[string]bool{}
	for _, r := range records(log) {
		open[r.Line] = r.Type == utmpx.UserProcess
	}
	for _, s := range w.sessions {
		if s.gone && open[s.login.Line] {
			return false
		}
	}
	return true
}

// judge checks the files against the laws and returns the violations. tight requires the
// time of death itself, not the time at which it was found.
func (w *world) judge(tight bool) []string {
	file, log := w.read()
	now := time.Now()
	wrong := w.judgeFile(file, now, tight)
	return append(wrong, w.judgeLog(log, now, tight)...)
}

func (w *world) judgeFile(file string, now time.Time, tight bool) (wrong []string) {
	if len(file) != len(w.utmpx) {
		return []string{fmt.Sprintf("utmp has %d bytes, not %d", len(file), len(w.utmpx))}
	}
	want := []byte(w.utmpx)
	size := utmpx.Native().Size()
	for _, s := range w.sessions {
		raw, place := file[s.slot*size:(s.slot+1)*size], want[s.slot*size:]
		switch s.fate {
		case ownerDone:
			copy(place, s.ownerUtmpx)
		case lives:
		default:
			dead, why := s.deadAs(raw, now, tight)
			if why != "" {
				wrong = append(wrong, fmt.Sprintf("utmp, slot %d, %s: %s", s.slot, s.login.Line, why))
			}
			copy(place, dead)
		}
	}
	for i := range want {
		if file[i] != want[i] {
			wrong = append(wrong, fmt.Sprintf("utmp, slot %d: byte %d is not as it should be", i/size, i%size))
			break
		}
	}
	return wrong
}

// slow is how late utmpd may learn of a death when traced on a busy machine.
const slow = 10 * time.Second

// deadAs returns the session's record as utmpd should have left it, with the time and
// exit status that utmpd chose, and what is wrong with those.
func (s *session) deadAs(raw string, now time.Time, tight bool) (dead []byte, why string) {
	got := utmpx.Native().Decode(raw)
	want := s.login
	want.Type, want.User, want.Host = utmpx.DeadProcess, "", ""
	want.Time, want.Exit = got.Time, got.Exit
	dead, err := utmpx.Native().Encode(want)
	if err != nil {
		return []byte(raw), err.Error()
	}
	at, last := got.Time.Time(), now
	if tight && s.fate != deadAlready {
		last = s.to.Add(slow)
	}
	switch {
	case got.Type != utmpx.DeadProcess:
		why = "not marked: " + got.String()
	case at.Before(s.from.Truncate(time.Microsecond)) || at.After(last):
		why = fmt.Sprintf("its end is %v, not from %v to %v", at, s.from, last)
	case got.Exit != (utmpx.Exit{}) && got.Exit != (utmpx.Exit{Termination: 9}):
		why = fmt.Sprintf("its exit status is %v", got.Exit)
	}
	return dead, why
}

// marked is the host of a logout that utmpd has written: so many seconds before its time
// the session may have ended.
var marked = regexp.MustCompile(`^utmpd(-[0-9]+s)?$`)

// judgeLog checks that the log still has its old contents, followed by one logout for
// each login that its owner did not close.
func (w *world) judgeLog(log string, now time.Time, tight bool) (wrong []string) {
	if !strings.HasPrefix(log, w.wtmpx) {
		return []string{"wtmp does not begin with what was in it"}
	}
	size := utmpx.Native().Size()
	added := log[len(w.wtmpx):]
	if len(added)%size != 0 {
		wrong = append(wrong, fmt.Sprintf("wtmp has %d bytes after its last record", len(added)%size))
	}
	byLine := map[string]*session{}
	for _, s := range w.sessions {
		byLine[s.login.Line] = s
	}
	logouts := map[*session]int{}
	for _, r := range records(added) {
		s := byLine[r.Line]
		if s == nil {
			wrong = append(wrong, "wtmp: a record of nobody: "+r.String())
			continue
		}
		logouts[s]++
		if r.Raw() == s.ownerLog {
			continue
		}
		dead, why := s.deadAs(r.Raw(), now, tight)
		if got := utmpx.Native().Decode(r.Raw()); marked.MatchString(got.Host) {
			want := utmpx.Native().Decode(string(dead))
			want.Host = got.Host
			dead, _ = utmpx.Native().Encode(want)
		}
		if why == "" && string(dead) != r.Raw() {
			why = "a byte is not as it should be"
		}
		if why != "" {
			wrong = append(wrong, fmt.Sprintf("wtmp, %s: %s", r.Line, why))
		}
	}
	for _, s := range w.sessions {
		want := 1
		if s.fate == lives {
			want = 0
		}
		if logouts[s] != want {
			wrong = append(wrong, fmt.Sprintf("wtmp, %s (fate %d): %d logouts", s.login.Line, s.fate, logouts[s]))
		}
	}
	return wrong
}

// leftovers returns the files left in utmpd's directories after an orderly end.
func (w *world) leftovers() (wrong []string) {
	mine := map[string]bool{"run/table": true, "run/status": true, "run/metrics": true, "run/utmppipe": true, "state/heartbeat": true}
	for _, dir := range []string{"run", "state"} {
		files, err := os.ReadDir(w.in(dir))
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		for _, f := range files {
			if name := dir + "/" + f.Name(); !mine[name] {
				wrong = append(wrong, "left over: "+name)
			}
		}
	}
	return wrong
}
