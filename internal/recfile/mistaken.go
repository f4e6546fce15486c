// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// In a log, each login of the history would be taken for a session, and overwritten. So
// the utmpx file must not be the log, nor any log.

// ErrOneFile: the names of the utmpx file and of the log lead to one file.
var ErrOneFile = errors.New("the utmpx file and the wtmpx file are one file")

// logName and fileName are what the names of logs and of utmpx files look like, rotated
// ones too.
var (
	logName  = regexp.MustCompile(`(wtmp|btmp)x?([.-][0-9]+)?$`)
	fileName = regexp.MustCompile(`(utmp|btmp)x?$`)
)

// Mistaken returns an error if the utmpx file is a log, or both names are one file's. A
// file that is missing or cannot be read is no mistake.
func Mistaken(utmpxFile, wtmpxFile string, o Options) error {
	if err := MistakenNames(utmpxFile, wtmpxFile, o); err != nil {
		return err
	}
	snap, err := NewFile(utmpxFile, o).Snapshot(nil)
	if err != nil {
		return nil // whoever reads the file reports it
	}
	return MistakenRecords(utmpxFile, snap)
}

// MistakenNames looks at the names, and at what they lead to.
func MistakenNames(utmpxFile, wtmpxFile string, o Options) error {
	for _, name := range []string{utmpxFile, resolved(utmpxFile)} {
		if logName.MatchString(filepath.Base(name)) {
			return fmt.Errorf("UTMPX_FILE %s: %s is the name of a log, whose records would be overwritten; name the utmpx file", utmpxFile, filepath.Base(name))
		}
	}
	for _, name := range []string{wtmpxFile, resolved(wtmpxFile)} {
		if fileName.MatchString(filepath.Base(name)) {
			return fmt.Errorf("WTMPX_FILE %s: %s is not the name of a log of logins; name the wtmpx file", wtmpxFile, filepath.Base(name))
		}
	}
	sys := o.System
	if sys == nil {
		sys = sysfile.Kernel()
	}
	utmp, err := sys.Lookup(utmpxFile)
	if err != nil {
		return nil
	}
	if wtmp, err := sys.Lookup(wtmpxFile); err == nil && wtmp.Generation == utmp.Generation {
		return fmt.Errorf("UTMPX_FILE %s and WTMPX_FILE %s are one file: name two", utmpxFile, wtmpxFile)
	}
	return nil
}

// resolved returns where the links of a name lead, or the name if that is not known.
func resolved(name string) string {
	to, err := filepath.EvalSymlinks(name)
	if err != nil {
		return name
	}
	return to
}

// MistakenRecords returns an error if the records are those of a log.
func MistakenRecords(utmpxFile string, snap *snapshot.Snapshot) error {
	if why := logLike(snap); why != "" {
		return fmt.Errorf("UTMPX_FILE %s: it is a log, whose records would be overwritten: %s; name the utmpx file", utmpxFile, why)
	}
	return nil
}

// fewTwins is how many records of one session a utmpx file may have, of which the later
// one should have replaced the earlier one: programs have searched from the middle of
// the file, or written at an offset of their own. A log of two sessions passes therefore;
// refusing a true utmpx file would leave all its sessions without utmpd.
const fewTwins = 2

// logLike returns what shows that records are those of a log, and not of a utmpx file:
// pututxline(3) would have written the later one over the earlier one.
func logLike(snap *snapshot.Snapshot) (why string) {
	var single [utmpx.OldTime + 1]int // slots of the types of which there is one, and 1 more
	twins := 0
	seen := newSlots()
	for slot, r := range snap.All() {
		if name := singleType(r.Type); name != "" {
			if before := single[r.Type] - 1; before >= 0 {
				return fmt.Sprintf("slots %d and %d both have %s", before, slot, name)
			}
			single[r.Type] = slot + 1
		}
		if r.Type < utmpx.InitProcess || r.Type > utmpx.DeadProcess {
			continue
		}
		before := seen.add(slot, r)
		if before < 0 {
			continue
		}
		twins++
		if first := snap.Record(before); twins > fewTwins || logout(first, r) {
			return fmt.Sprintf("slots %d and %d are both of the session %q", before, slot, cmp.Or(r.Line, r.ID))
		}
	}
	return ""
}

// singleType names a type of which pututxline(3) keeps one record, whatever else is in it;
// "" if it is none.
func singleType(t utmpx.Type) string {
	switch t {
	case utmpx.BootTime:
		return "a BOOT_TIME"
	case utmpx.RunLevel:
		return "a RUN_LVL"
	case utmpx.OldTime:
		return "an OLD_TIME"
	case utmpx.NewTime:
		return "a NEW_TIME"
	}
	return ""
}

// slots has the last slots of records, by what pututxline(3) compares: ut_id, or ut_line
// where one of two records has no ut_id.
type slots struct {
	byID   map[string]int
	byLine map[string]int
	noID   map[string]int // by ut_line, those without a ut_id
}

func newSlots() slots { return slots{map[string]int{}, map[string]int{}, map[string]int{}} }

// add takes in a record, and returns the slot of the last one that it would have replaced;
// -1 if there is none.
func (s slots) add(slot int, r utmpx.Record) (before int) {
	last := func(in map[string]int, key string) int {
		if at, ok := in[key]; ok && key != "" {
			return at
		}
		return -1
	}
	if r.ID != "" {
		before = max(last(s.byID, r.ID), last(s.noID, r.Line))
		s.byID[r.ID] = slot
		delete(s.noID, r.Line)
	} else {
		before = last(s.byLine, r.Line)
		s.noID[r.Line] = slot
	}
	s.byLine[r.Line] = slot
	return before
}

// logout reports whether r is the logout of a login.
func logout(login, r utmpx.Record) bool {
	return login.Type == utmpx.UserProcess && r.Type == utmpx.DeadProcess && r.PID == login.PID && !r.Time.Time().Before(login.Time.Time())
}

// apartFrom returns ErrOneFile if that file is also the one that must be another.
func (g *gate) apartFrom(gen snapshot.Generation) error {
	if g.apart == "" {
		return nil
	}
	other, err := g.sys.Lookup(g.apart)
	if err == nil && other.Generation == gen {
		return fmt.Errorf("%w: also named %s; nothing is written", ErrOneFile, g.apart)
	}
	return nil
}
