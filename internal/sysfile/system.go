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

// System is where this package meets the kernel. [Kernel] is the real one; a
// simulated one takes its place in tests. It is safe for concurrent use.
type System interface {
	// Open opens an existing regular file. It never creates one and never
	// blocks: what is no regular file, and a symbolic link that is not root's,
	// is an error that wraps [ErrNotRegular] or [ErrSymlink].
	Open(name string, mode OpenMode) (Handle, error)
	// Lookup tells what file the name leads to now.
	Lookup(name string) (Info, error)
	// List returns the names in a directory, in no particular order.
	List(dir string) ([]string, error)
}

// OpenMode says what a file is opened for.
type OpenMode int

// The ways to open a file.
const (
	ReadOnly   OpenMode = iota
	ReadWrite           // WriteAt may be used
	AppendOnly          // read, Append and Truncate; every write goes to the end (O_APPEND)
	ReadUnseen          // ReadOnly, and the access time stays as it is, where the system lets us
)

// LockKind returns the lock that belongs to a mode: a mode that writes excludes
// all others.
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
	// Append writes p at the end of a file opened AppendOnly, wherever that is
	// by now, in one call. n < len(p) comes with an error.
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
	// Lock waits for the lock, without end. Nothing but the lock ends the wait.
	Lock(kind LockKind) error
	// Unlock drops the lock.
	Unlock() error
}

// Prober asks about the locks of others.
type Prober interface {
	// Holder tells whether a lock of somebody else's stands in the way of kind.
	// pid is that process where the kernel knows one (POSIX locks), and 0 where
	// it does not (OFD locks, other pid namespaces).
	Holder(kind LockKind) (pid int32, found bool, err error)
}

// Meta is what belongs to the inode.
type Meta interface {
	Info() (Info, error)
	// SetAccessTime sets the access time and leaves the modification time as it
	// is. It needs the file's owner or the right to act as such.
	SetAccessTime(t time.Time) error
	// Sync makes data and times durable. It may take long.
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
