// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/scanner"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// In a log, utmpd would take each login of the history for a session, and overwrite it.
// So the utmpx file must not be the log, nor any log.

// logName is what the names of logs look like, rotated ones too.
var logName = regexp.MustCompile(`(wtmp|btmp)x?([.-][0-9]+)?$`)

// twoFiles makes sure that the utmpx file is not a log. system is nil for the kernel's
// files.
type twoFiles struct {
	utmpx, wtmpx string
	system       sysfile.System
	checked      snapshot.Generation // the file whose records were looked at
}

func newTwoFiles(cfg config.Fixed, system sysfile.System) *twoFiles {
	if system == nil {
		system = sysfile.Kernel()
	}
	return &twoFiles{utmpx: cfg.UtmpxFile, wtmpx: cfg.WtmpxFile, system: system}
}

// check returns an error if the utmpx file is a log. A file that is missing or cannot be
// read is none.
func (t *twoFiles) check() error {
	if err := t.checkNames(); err != nil {
		return err
	}
	snap, err := recfile.NewFile(t.utmpx, recfile.Options{System: t.system}).Snapshot(nil)
	if err != nil {
		return nil // the Scanner reports it
	}
	return t.checkRecords(snap)
}

// checkScan does the same after a reading. A file is replaced, and a link set, at any time.
func (t *twoFiles) checkScan(ev scanner.Event) error {
	replaced := ev.Snapshot.Generation() != t.checked
	if !replaced && !ev.Periodic {
		return nil
	}
	if err := t.checkNames(); err != nil {
		return err
	}
	if !replaced {
		return nil
	}
	return t.checkRecords(ev.Snapshot)
}

// checkNames looks at the names, and at what they lead to.
func (t *twoFiles) checkNames() error {
	for _, name := range []string{t.utmpx, resolved(t.utmpx)} {
		if logName.MatchString(filepath.Base(name)) {
			return fmt.Errorf("UTMPX_FILE %s: %s is the name of a log, whose records would be overwritten; name the utmpx file", t.utmpx, filepath.Base(name))
		}
	}
	utmpx, err := t.generation(t.utmpx)
	if err != nil {
		return nil
	}
	if wtmpx, err := t.generation(t.wtmpx); err == nil && wtmpx == utmpx {
		return fmt.Errorf("UTMPX_FILE %s and WTMPX_FILE %s are one file: name two", t.utmpx, t.wtmpx)
	}
	return nil
}

func (t *twoFiles) generation(name string) (snapshot.Generation, error) {
	info, err := t.system.Lookup(name)
	return info.Generation, err
}

// resolved returns where the links of a name lead, or the name if that is not known.
func resolved(name string) string {
	to, err := filepath.EvalSymlinks(name)
	if err != nil {
		return name
	}
	return to
}

// checkRecords looks at the records.
func (t *twoFiles) checkRecords(snap *snapshot.Snapshot) error {
	if why := logLike(snap); why != "" {
		return fmt.Errorf("UTMPX_FILE %s: it is a log, whose records would be overwritten: %s; name the utmpx file", t.utmpx, why)
	}
	t.checked = snap.Generation()
	return nil
}

// fewTwins is how many records of one session a utmpx file may have, of which the later
// one should have replaced the earlier one: programs have searched from the middle of
// the file, or written at an offset of their own.
const fewTwins = 2

// logLike returns what shows that records are those of a log, and not of a utmpx file:
// pututxline(3) would have written the later one over the earlier one.
func logLike(snap *snapshot.Snapshot) (why string) {
	boot, twins := -1, 0
	byID, byLine := map[string]int{}, map[string]int{}
	for slot, r := range snap.All() {
		if r.Type == utmpx.BootTime {
			if boot >= 0 {
				return fmt.Sprintf("slots %d and %d both have a BOOT_TIME", boot, slot)
			}
			boot = slot
		}
		if r.Type < utmpx.InitProcess || r.Type > utmpx.DeadProcess {
			continue
		}
		before, ok := -1, false
		if r.ID != "" {
			before, ok = lookUpSlot(byID, r.ID, slot)
		} else if r.Line != "" {
			before, ok = lookUpSlot(byLine, r.Line, slot)
		}
		if !ok {
			continue
		}
		twins++
		if first := snap.Record(before); twins > fewTwins || logout(first, r) {
			return fmt.Sprintf("slots %d and %d are both of the session %q", before, slot, cmp.Or(r.Line, r.ID))
		}
	}
	return ""
}

// lookUpSlot returns the last slot under a key, and puts another one in its place.
func lookUpSlot(slots map[string]int, key string, slot int) (before int, ok bool) {
	before, ok = slots[key]
	slots[key] = slot
	return before, ok
}

// logout reports whether r is the logout of a login.
func logout(login, r utmpx.Record) bool {
	return login.Type == utmpx.UserProcess && r.Type == utmpx.DeadProcess && r.PID == login.PID && !r.Time.Time().Before(login.Time.Time())
}

// faults returns what is wrong with the two files as -check reports it: also what the
// daemon would wait for.
func (t *twoFiles) faults() map[string]error {
	faults := map[string]error{}
	if err := t.check(); err != nil {
		faults["UTMPX_FILE"] = err
	} else if err := present(recfile.NewFile(t.utmpx, recfile.Options{}).Check(), t.utmpx); err != nil {
		faults["UTMPX_FILE"] = fmt.Errorf("UTMPX_FILE: %w", err)
	}
	_, err := recfile.NewLog(t.wtmpx, recfile.Options{}).Layout()
	if err := present(err, t.wtmpx); err != nil {
		faults["WTMPX_FILE"] = fmt.Errorf("WTMPX_FILE: %w", err)
	}
	return faults
}

// present returns the error of a file. One that is missing or empty may come, if its
// directory is there.
func present(err error, name string) error {
	switch {
	case err == nil, errors.Is(err, recfile.ErrEmpty), errors.Is(err, recfile.ErrTooLong):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if _, dir := filepath.EvalSymlinks(filepath.Dir(name)); dir != nil {
			return fmt.Errorf("%s: its directory is missing", name)
		}
		return nil
	}
	return err
}
