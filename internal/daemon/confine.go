// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"slices"

	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/sandbox"
	"utmpd.dev/utmpd/internal/scanner"
)

// confine gives up what utmpd does not need from here on. What cannot be given
// up is told; the daemon is none the worse for it.
func (d *daemon) confine() {
	box, lacking := sandbox.Enter(reach(d.flags, d.cfg))
	for _, err := range lacking {
		d.log.Info("without a part of the sandbox", "error", err)
	}
	d.box = box
}

// reach is what utmpd needs once it works. The pipe, standard error and the pid
// file are open; sockets and the terminals, which are only looked at, need no rule.
func reach(f flags, c config.Config) sandbox.Dirs {
	dirs := sandbox.Dirs{Read: []string{
		"/proc",                    // start times, exit statuses, session leaders
		"/sys/devices/virtual/tty", // which terminal the console is
		"/usr/share/zoneinfo",      // the times in the log
	}}
	for _, name := range []string{"/etc/passwd", cmp.Or(f.config, config.DefaultFile)} { // who holds a lock; SIGHUP
		dirs.Read = append(dirs.Read, sandbox.OfFile(name)...)
	}
	dirs.Write = slices.Concat(sandbox.OfFile(c.UtmpxFile), sandbox.OfFile(c.WtmpxFile))
	for _, dir := range []string{c.RunDir, c.StateDir} {
		if dir != "" {
			dirs.Change = append(dirs.Change, dir)
		}
	}
	return dirs
}

// displaced reports that utmpd is no longer where it was started: its pid file,
// or a directory it was confined to, is another by now, as when a file system is
// mounted over /run. It could not work on unseen by a second utmpd, so it ends,
// to be started again. It is looked at with every reading that nothing else
// caused, and when reading fails.
func (d *daemon) displaced(ev scanner.Event) error {
	if !ev.Periodic && ev.Err == nil {
		return nil
	}
	if d.lock != nil {
		if err := d.lock.Check(); err != nil {
			return err
		}
	}
	return d.box.Check()
}
