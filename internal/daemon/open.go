// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"utmpd.dev/utmpd/internal/owndir"
	"utmpd.dev/utmpd/internal/pidfile"
	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/receiver"
	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/status"
)

// open opens utmpd's own files: the directories, the pid file, which is the right
// to run, the pipe, and the table of an earlier run. Only another running utmpd
// is an error, and a directory that others may write. If anything else is missing, open
// logs it and the daemon continues without it.
func (d *daemon) open() error {
	id, err := proc.BootID()
	if err != nil {
		d.log.Warn("no boot ID: a restart cannot use the saved table", "error", err)
	}
	d.bootID = id
	var running *pidfile.RunningError
	var foreign *owndir.Error
	switch err := d.openRunDir(); {
	case errors.As(err, &running) && proc.Leaving(running.PID):
		return fmt.Errorf("%w: it is ending, and a file system that does not answer holds it up: %s", err,
			cmp.Or(status.NoAnswer(filepath.Join(d.runDir, "status")), "the status does not say which"))
	case errors.As(err, &running), errors.As(err, &foreign):
		return err
	case err != nil:
		d.log.Warn("no RUN_DIR: there is no status and no saved table, and a second utmpd is not detected", "error", err)
		d.runDir = ""
	}
	if err := os.MkdirAll(d.stateDir, 0o755); err != nil {
		d.log.Warn("no STATE_DIR: after a crash only the access time of wtmpx shows when it happened", "error", err)
		d.stateDir = ""
	}
	d.logReadOnly()
	if err := d.checkDirs(); err != nil {
		return err
	}
	// With -n too: reading the pipe changes no record.
	if d.pipe, err = receiver.Open(d.cfg.PipeFile, receiver.Options{Log: d.log.Logger}); err != nil {
		d.log.Warn("no request pipe: sessions are found only in the utmpx file", "error", err)
	}
	return nil
}

func (d *daemon) openRunDir() error {
	if err := os.MkdirAll(d.runDir, 0o755); err != nil {
		return err
	}
	if err := d.checkDirs(); err != nil {
		return err
	}
	var err error
	if d.lock, err = pidfile.Acquire(filepath.Join(d.runDir, "utmpd.pid")); err != nil {
		return err
	}
	d.store = state.NewFile(filepath.Join(d.runDir, "table"))
	d.begun = stateFile(filepath.Join(d.runDir, "begun"))
	d.loadTable()
	return nil
}

// loadTable gives the table what an earlier run in the same boot saved, and takes up what
// that one was about to record.
func (d *daemon) loadTable() {
	if st, ok := d.load(d.store, "the saved table"); ok {
		d.table.Restore(st.Checkpoint)
		d.own = st.Own
	}
	if st, ok := d.load(d.begun, "what was about to be recorded"); ok {
		for _, o := range st.Own {
			if !slices.Contains(d.own, o) {
				d.own = append(d.own, o)
			}
		}
		d.owedLogins = owedLogins(st.Owed)
	}
}

// load returns what an earlier run in the same boot saved.
func (d *daemon) load(from store, what string) (st state.State, ok bool) {
	st, err := from.Load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.log.Warn(what+" is not used", "error", err)
	case st.BootID != d.bootID || d.bootID == "":
		d.log.Info(what + " is from another boot")
	default:
		return st, true
	}
	return st, false
}
