// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"errors"
	"os"
	"slices"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/sandbox"
	"utmpd.dev/utmpd/internal/toucher"
)

// logindSessions is where logind and elogind keep a file for each session. The rule is
// for the directory above it, which is never replaced.
const logindSessions = "/run/systemd/sessions"

// confine gives up what utmpd does not need from here on. If a part of it fails,
// confine logs that and the daemon continues.
func (d *daemon) confine() {
	box, lacking := sandbox.Enter(d.reach())
	for _, err := range lacking {
		d.without(err)
	}
	if os.Geteuid() == 0 {
		d.log.Info("running as root: for code that got into utmpd the sandbox is no boundary; see RUN_AS")
	}
	d.box = box
}

// without tells of a part of the sandbox that the kernel lacks. That its Landlock is an
// older one only the status tells, like what else a later kernel offers.
func (d *daemon) without(err error) {
	var older *sandbox.OlderError
	if !errors.As(err, &older) {
		d.log.Info("without a part of the sandbox", "error", err)
		return
	}
	d.log.Debug("an older Landlock", "error", err)
	d.older = "deny itself all that it does not need (Linux 6.10)"
}

// reach returns the directories that utmpd needs once it works. The pipe, standard error and the pid
// file are open; sockets and the terminals, which are only looked at, need no rule. With a
// helper, the directories of the two files, which hold others' files, can only be listed.
func (d *daemon) reach() sandbox.Dirs {
	dirs := sandbox.Dirs{Read: []string{
		"/proc",                    // start times, exit statuses, session leaders
		"/sys/devices/virtual/tty", // which terminal the console is
		"/usr/share/zoneinfo",      // the times in the log
	}}
	for _, name := range []string{
		"/etc/passwd", cmp.Or(d.flags.config, config.DefaultFile), // who holds a lock, has processes; SIGHUP
		logindSessions, // whose display it is, also if the directory is still to come
	} {
		dirs.Read = append(dirs.Read, sandbox.OfFile(name)...)
	}
	both := slices.Concat(sandbox.OfFile(d.cfg.UtmpxFile), sandbox.OfFile(d.cfg.WtmpxFile))
	if d.helped == nil {
		dirs.Write = both
	} else {
		dirs.List = both // for the names of rotated files
		dirs.Files = []string{d.cfg.UtmpxFile, d.cfg.WtmpxFile}
	}
	for _, dir := range []string{d.runDir, d.stateDir} {
		if dir != "" {
			dirs.Change = append(dirs.Change, dir)
		}
	}
	return dirs
}

// displaced returns an error if the pid file, or a directory that utmpd is
// confined to, has been replaced, as when a file system is mounted over /run. A
// second utmpd would not notice this one any more, so it ends, to be started
// again. The loop asks at each periodic reading and when a reading fails. It may be called
// in any goroutine.
func (d *daemon) displaced() error {
	if d.lock != nil {
		if err := d.lock.Check(); err != nil {
			return err
		}
	}
	if d.helped != nil && d.helped.ended() {
		return toucher.ErrNobody
	}
	return d.box.Check()
}
