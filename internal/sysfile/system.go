// SPDX-License-Identifier: BSD-2-Clause

// Package sysfile is where files meet the kernel: open, look up, list; read,
// write, append, truncate, lock, times, sync. [Kernel] is the real one. A
// simulated one takes its place in tests.
package sysfile

import (
	"io"
	"io/fs"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
)

// System opens and looks up files. It is safe for concurrent use.
type System interface {
	// Open opens an existing regular file. It never creates a file and never
	// blocks. It follows only symbolic links that belong to root. Its errors wrap
	// [fs.ErrNotExist], [ErrNotRegular] or [ErrSymlink] where they apply.
	Open(name string, mode OpenMode) (Handle, error)
	// Lookup describes the file that the name leads to now.
	Lookup(name string) (Info, error)
	// List returns the names in a directory, in no particular order.
	List(dir string) ([]string, error)
}

// OpenMode is the purpose for which a file is opened.
type OpenMode int

// The modes of [System.Open]. In all of them but ReadOnly, reading leaves the
// access time as it is, where the system permits that (O_NOATIME): a log's access
// time is the heartbeat's.
const (
	ReadOnly   OpenMode = iota // reading moves the access time
	ReadWrite                  // WriteAt may be used
	AppendOnly                 // read, Append and Truncate; every write goes to the end (O_APPEND)
	ReadUnseen                 // ReadAt only
)

// LockKind returns the lock to hold while a file is used in that mode.
func (m OpenMode) LockKind() LockKind {
	if m == ReadOnly || m == ReadUnseen {
		return ReadLock
	}
	return WriteLock
}

// Handle is one open file description. Closing it drops its lock.
type Handle interface {
	Data
	Appender
	Locker
	Prober
	Meta
	io.Closer
}

// Data reads and writes at an offset.
type Data interface {
	io.ReaderAt
	io.WriterAt
}

// Appender changes a file's length.
type Appender interface {
	// Append writes p in one call at the present end of a file opened AppendOnly.
	// If it writes less, n < len(p) and err is set.
	Append(p []byte) (n int, err error)
	// Truncate cuts the file to size bytes.
	Truncate(size int64) error
}

// LockKind is shared or exclusive.
type LockKind int

// The kinds of lock. Both cover the whole file, however long it becomes.
const (
	ReadLock  LockKind = iota // stops writers; needs a file opened for reading
	WriteLock                 // stops readers that lock, and writers; needs one opened for writing
)

// Locker locks for the open file description, against other descriptions and
// against the POSIX locks of processes.
type Locker interface {
	// TryLock takes the lock, or returns [ErrLocked] at once.
	TryLock(kind LockKind) error
	// Lock waits for the lock. Nothing but the lock ends the wait.
	Lock(kind LockKind) error
	// Unlock drops the lock.
	Unlock() error
}

// Prober finds who holds a lock.
type Prober interface {
	// Holder reports whether another's lock excludes kind. pid is the process of
	// that lock, or 0 if the kernel does not know it (OFD locks, processes of
	// another pid namespace).
	Holder(kind LockKind) (pid int32, found bool, err error)
}

// Meta reads and changes the attributes of the inode.
type Meta interface {
	Info() (Info, error)
	// SetAccessTime sets the access time and leaves the modification time
	// unchanged. It needs the file's owner or CAP_FOWNER.
	SetAccessTime(t time.Time) error
	// Sync makes data and times durable. It waits for the disk.
	Sync() error
}

// Info describes a file at one moment.
type Info struct {
	Generation snapshot.Generation
	Size       int64
	Mode       fs.FileMode
	UID, GID   uint32
	Accessed   time.Time
	Modified   time.Time
}
