// SPDX-License-Identifier: BSD-2-Clause

// Package utmpfile reads and writes the files that hold a Unix system's session
// records, safely beside the C library and all programs that use it.
//
// # The files
//
// A [File] is a utmpx file, such as /var/run/utmp: who is logged in now. It has one
// record for each session and a few for the system. A [Log] is a wtmpx log, such as
// /var/log/wtmp: each login, logout, boot and shutdown, appended in order. Tools such
// as logrotate rename and compress old logs; the methods of Log that read also read
// those. Failed logins are in a log of their own, btmp; it is a Log, too.
//
// Both zero values are this machine's files; [NewFile] and [NewLog] name others, also
// of other machines. Files of glibc, musl, illumos and Solaris are recognized by their
// content: package [utmpd.dev/utmpd/utmpx] describes the layouts and the records.
//
//	var f utmpfile.File
//	records, err := f.Snapshot()
//
// Programs that open sessions need [Login] and [Logout] only, or a [Recorder] for
// other files.
//
// # Locking
//
// Calls that write ([File.Put], [Log.Append], [Login], [Logout]) hold a write lock on
// the whole file, as the C library does, for the time of one search and one write. The
// locks are those of fcntl(2) (F_OFD_SETLK): they exclude every C program, and other
// goroutines, and are not lost when the program closes the same file elsewhere. After
// the lock is taken the name is looked up again, so that nothing is written to a file
// that was rotated away.
//
// Any user who may read a file can lock it and so block all writers. So a call that
// writes waits for the lock until its context ends, and then returns a [*LockedError].
// Give the context a deadline; the C library gives up after ten seconds. The system
// call cannot be interrupted: the thread in it stays until the lock is free, and the
// next call for that file takes over its place in the queue.
//
// # What readers see
//
// Calls that read take no lock and never wait for one. A record that is being written
// at that moment may be seen half written; the next read sees it whole. A partial
// record at the end of a file is left out. [File.Snapshot] returns all records, but a
// session that begins during the call may be missing. [Log.Follow] waits for new
// records, without end, until its context ends.
//
// # Permissions
//
// Reading needs read permission for the file and its directory. Writing needs write
// permission for the file, on most systems membership in the group utmp. No call
// changes owner, permissions or, where the system allows that, the access time.
//
// Only regular files are used, and only those symbolic links followed that belong to
// root: others could lead a privileged program to a file of an attacker's choice.
//
// # What is not done
//
// No file is created: on a machine without one, its administrator does not want it,
// and the error is [io/fs.ErrNotExist]. No log is rotated. Calls that write do not wait
// for the disk, as those of the C library do not; [File.Sync] and [Log.Sync] do. The
// lastlog file is not touched.
//
// See also utmp(5), pututxline(3), updwtmpx(3), login(3).
package utmpfile
