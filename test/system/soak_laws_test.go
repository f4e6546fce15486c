// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// slotted is what a slot of utmp must hold. If the session has died, utmpd may mark it.
type slotted struct {
	want []byte
	of   *lodger // nil if it is not utmpd's to change
	died *death
}

// look checks every record of utmp, but for the flood's. A record that crosses pages can be
// read while half of it is written, so what is not as expected is read again under a lock.
func (s *soak) look() {
	s.Helper()
	all := readFile(s.T, utmpFile)
	size := utmpx.Native().Size()
	for i, slot := range s.slots {
		if (i+1)*size > len(all) || !bytes.Equal(all[i*size:(i+1)*size], slot.want) {
			locked(s, utmpFile, func(_ *os.File, all []byte) { s.lookAt(all) })
			return
		}
	}
}

func (s *soak) lookAt(all []byte) {
	s.Helper()
	size := utmpx.Native().Size()
	for i, slot := range s.slots {
		if (i+1)*size > len(all) {
			s.Fatalf("utmp has %d bytes and ends before slot %d", len(all), i)
		}
		got := all[i*size : (i+1)*size]
		if bytes.Equal(got, slot.want) {
			continue
		}
		if slot.died == nil {
			s.Fatalf("slot %d was %v and is %v; % x", i, utmpx.Native().Decode(string(slot.want)), utmpx.Native().Decode(string(got)), got)
		}
		s.marked(i, slot, got)
		s.slots[i] = &slotted{want: bytes.Clone(got)}
	}
}

// marked checks a record that utmpd has marked: the user, the host, the exit status and
// the time are utmpd's, and all else is as it was.
func (s *soak) marked(i int, slot *slotted, got []byte) {
	s.Helper()
	for _, kept := range [][2]int{{2, 44}, {336, 340}, {348, 384}} { // of glibc's layout of 384 bytes
		if from, to := kept[0], kept[1]; !bytes.Equal(got[from:to], slot.want[from:to]) {
			s.Fatalf("slot %d: bytes %d to %d changed\nfrom % x\nto   % x", i, from, to, slot.want, got)
		}
	}
	r := utmpx.Native().Decode(string(got))
	if r.Type != utmpx.DeadProcess || r.User != "" || r.Host != "" {
		s.Fatalf("slot %d holds %v", i, r)
	}
	if at := r.Time.Time(); at.Before(slot.died.from.Add(-time.Millisecond)) || at.After(time.Now()) {
		s.Fatalf("slot %d: it died at %v, and its end is %v", i, slot.died.from.UTC(), at.UTC())
	}
}

// unmarked is the number of records of sessions that have died, or that the flood left.
func (s *soak) unmarked() int {
	n := 0
	for _, slot := range s.slots {
		if slot.died != nil {
			n++
		}
	}
	for _, r := range entries(s.T) {
		if strings.HasPrefix(r.Line, "v/") {
			n++
		}
	}
	return n
}

// archive begins the log of a round: what was before is in one file.
func (s *soak) archive() {
	s.Helper()
	for i := range s.rotated + 2 {
		os.Remove(fmt.Sprintf("%s.%d", wtmpFile, i+1))
	}
	s.rotated = 0
	s.rotate()
	s.rotated = 0
	s.deaths = map[string]death{}
}

// shift makes room for a rotated file.
func (s *soak) shift() bool {
	if s.flood != nil || s.rotated > 20 {
		return false // glibc appends to a file that was renamed meanwhile
	}
	for i := s.rotated + 1; i > 0; i-- {
		os.Rename(fmt.Sprintf("%s.%d", wtmpFile, i), fmt.Sprintf("%s.%d", wtmpFile, i+1))
	}
	s.rotated++
	return true
}

func (s *soak) rotate() bool {
	if !s.shift() {
		return false
	}
	if err := os.Rename(wtmpFile, wtmpFile+".1"); err != nil {
		s.Fatal(err)
	}
	writeLog(s.T, wtmpFile, nil)
	return true
}

// copyTruncate rotates under a lock, so that nothing is lost between the two.
func (s *soak) copyTruncate() bool {
	if !s.shift() {
		return false
	}
	locked(s, wtmpFile, func(f *os.File, all []byte) {
		writeLog(s.T, wtmpFile+".1", all)
		if err := f.Truncate(0); err != nil {
			s.Fatal(err)
		}
	})
	return true
}

// checkLog checks that each login of this round has one end, or none if its session
// lives, and returns false if some are to come. Once all is over, none may be missing.
func (s *soak) checkLog(over bool) bool {
	s.Helper()
	open := map[string]bool{}
	for i := s.rotated; i >= 0; i-- {
		name := fmt.Sprintf("%s.%d", wtmpFile, i)
		if i == 0 {
			name = wtmpFile
		}
		for _, r := range records(s.T, name) {
			switch {
			case r.Type == utmpx.UserProcess:
				open[r.Line] = true
			case r.Type == utmpx.DeadProcess && !open[r.Line]:
				s.Fatalf("%s: a second logout, or one without a login: %v", name, r)
			case r.Type == utmpx.DeadProcess:
				open[r.Line] = false
			}
		}
	}
	for line := range s.lodgers {
		if !open[line] {
			s.Fatalf("%s lives, and wtmp has its logout, or no login", line)
		}
		delete(open, line)
	}
	left := 0
	for _, is := range open {
		if is {
			left++
		}
	}
	return !over || left == 0
}

var (
	saidEnd   = regexp.MustCompile(`msg="session ended" line=(\S+) .*pid=(\d+) login=(\S+) end=(\S+)`)
	saidNever = regexp.MustCompile(`msg="(panic|internal error)|^(panic|fatal error|runtime:|WARNING: DATA RACE)`)
)

// saidOf is a session as the log names it.
func saidOf(line string, pid int, login time.Time) string {
	return fmt.Sprint(line, pid, login.UTC().Truncate(time.Millisecond))
}

// checkSaid checks the times that the log calls exact.
func (s *soak) checkSaid() {
	s.Helper()
	text := s.d.logged()
	text = text[:strings.LastIndexByte(text, '\n')+1]
	for line := range strings.Lines(text[s.logged:]) {
		if saidNever.MatchString(line) {
			s.Fatalf("utmpd said %s", line)
		}
		m := saidEnd.FindStringSubmatch(line)
		if m == nil || strings.Contains(line, "alive until") || strings.Contains(line, "found=") {
			continue
		}
		var login time.Time
		login, _ = time.Parse(time.RFC3339Nano, m[3])
		var pid int
		fmt.Sscan(m[2], &pid)
		died, ok := s.deaths[saidOf(m[1], pid, login)]
		if !ok {
			continue
		}
		s.did["exact end"]++
		end := timeIn(s.T, line, "end")
		if end.Before(died.from.Truncate(time.Millisecond)) || end.After(died.to.Add(slow)) {
			s.Fatalf("called exact; it died between %v and %v: %s", died.from.UTC(), died.to.UTC(), line)
		}
	}
	s.logged = len(text)
}
