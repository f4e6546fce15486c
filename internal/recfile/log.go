// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"time"

	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Log is a wtmpx log: records in the order in which they were written; none ever
// changes. It keeps no file open; each call opens the file that the name leads to.
// It may be used by many goroutines. A missing log is [fs.ErrNotExist]; it is not
// created, as libc does not create it either.
type Log struct {
	opened
	torn tornTail
}

// NewLog names a wtmpx log. It does no I/O.
func NewLog(name string, opts Options) *Log {
	l := &Log{}
	l.init(name, opts)
	return l
}

// Name returns the log's name.
func (l *Log) Name() string { return l.name }

// Detector returns what finds out the log's layout, to be shared.
func (l *Log) Detector() *Detector { return l.detector }

// Layout returns the layout that the log shows, or that an empty one gets.
func (l *Log) Layout() (*utmpx.Layout, error) { return l.layoutNow() }

// Sync makes the log durable. It takes no lock, and may take long.
func (l *Log) Sync() error { return l.sync() }

// Holder returns a process that holds a lock on the log which stops a writer
// now, as [File.Holder] does.
func (l *Log) Holder() (pid int32, ok bool, err error) { return l.holder() }

// Touch sets the log's access time to t, leaves its modification time, and makes
// both durable, even if mount options delay that. It takes no lock. It needs the
// file's owner or CAP_FOWNER, else the error is [fs.ErrPermission]; see
// [Log.ReadOne].
func (l *Log) Touch(t time.Time) error {
	h, _, err := l.open()
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.SetAccessTime(t); err != nil {
		return wrap("set the access time of", l.name, err)
	}
	return wrap("sync", l.name, h.Sync())
}

// ReadOne reads a byte of the log, so that the kernel sets its access time where
// the mount options make it do so. Every other call leaves the access time as it
// is, where the system permits it. An empty log is no error.
func (l *Log) ReadOne() error {
	h, err := l.sys.Open(l.name, sysfile.ReadOnly)
	if err != nil {
		return wrap("open", l.name, err)
	}
	defer h.Close()
	_, err = readFull(h, make([]byte, 1), 0)
	return wrap("read", l.name, err)
}
