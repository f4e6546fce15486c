// SPDX-License-Identifier: BSD-2-Clause

package utmpfile

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Paths returns where this machine's C library keeps the utmpx file and the wtmpx
// log. On Linux that is /var/run/utmp and /var/log/wtmp, or utmpx and wtmpx in the
// same directories if those exist: glibc prefers them. The files need not exist.
func Paths() (file, log string) { return sysfile.NativePaths() }

// Options configure a [File] or a [Log].
type Options struct {
	// Layout is that of an empty file, and of one whose content fits no layout
	// for sure. nil is [utmpx.Native].
	Layout *utmpx.Layout
	// Reuse is for programs that read long logs and keep nothing of a record, or only
	// what [utmpx.Record.Detach] returns: the records of an iteration over a [Log] share
	// a few blocks of memory, which are overwritten once the loop goes on. That takes half
	// of the time.
	Reuse bool
}

func (o *Options) reuse() bool { return o != nil && o.Reuse }

func (o *Options) layout() *utmpx.Layout {
	if o == nil {
		return nil
	}
	return o.Layout
}

// File is a utmpx file. It has one record for each session, in slots that are
// counted from 0. A slot stays with its session and is used again afterwards.
//
// The zero File is this machine's. A File keeps nothing open: every call opens the
// file that the name leads to at that moment. It may be used by several goroutines,
// and must not be copied after first use.
type File struct {
	once sync.Once
	file *recfile.File
}

// NewFile returns the utmpx file with that name, "" for this machine's. It does no
// I/O. opts may be nil.
func NewFile(name string, opts *Options) *File {
	if name == "" {
		name, _ = Paths()
	}
	return &File{file: recfile.NewFile(name, recfile.Options{Layout: opts.layout()})}
}

// get returns the file, this machine's if no other was named.
func (f *File) get() *recfile.File {
	f.once.Do(func() {
		if f.file == nil {
			f.file = NewFile("", nil).file
		}
	})
	return f.file
}

// Name returns the file's name.
func (f *File) Name() string { return f.get().Name() }

// Layout returns the layout of the file's records. An empty file has that of the
// [Options]. The error may be [ErrLayout].
func (f *File) Layout() (*utmpx.Layout, error) {
	l, err := f.get().Layout()
	return l, public(err)
}

// Snapshot returns the records of all slots; the index is the slot. Slots may be
// blank: of type [utmpx.Empty].
//
// It takes no lock, so a record that is being written may come out torn. Bytes after
// the last whole record are left out. An empty file has no records and is no error.
// The records share one block of memory: see [utmpx.Record.Detach].
//
// Errors: [io/fs.ErrNotExist], [io/fs.ErrPermission], [ErrNotRegular], [ErrSymlink],
// [ErrLayout], [ErrTorn]; and [ErrTooLong] together with the first 65536 records.
func (f *File) Snapshot() ([]utmpx.Record, error) {
	s, err := f.get().Snapshot(nil)
	records := make([]utmpx.Record, 0, s.Len())
	for _, r := range s.All() {
		records = append(records, r)
	}
	return records, public(err)
}

// Read returns the record in a slot. It takes no lock. A slot that the file does not
// have is [ErrNoRecord].
func (f *File) Read(slot int) (utmpx.Record, error) {
	r, err := f.get().Read(slot)
	return r, public(err)
}

// Put writes r into the slot that pututxline(3) would choose and returns the slot.
//
// A record of type [utmpx.RunLevel], [utmpx.BootTime], [utmpx.OldTime] or
// [utmpx.NewTime] replaces the first of the same type. A record of a process, such as
// [utmpx.UserProcess] or [utmpx.DeadProcess], replaces the first of a process with the
// same ID, or with the same Line if one of the two has no ID. If there is none, r
// comes after the last record.
//
// Put holds a write lock on the whole file. If another program holds one, it waits
// until ctx ends and returns a [*LockedError]. It writes one record in its place and
// does not sync: see [File.Sync]. A Line that begins with /dev/ is [ErrLine], unless
// r was read from a file.
//
// Source: POSIX.1-2024, pututxline; the search is glibc's.
func (f *File) Put(ctx context.Context, r utmpx.Record) (slot int, err error) {
	if err := checkLine(r); err != nil {
		return 0, fmt.Errorf("utmpfile: put a record into %s: %w", f.Name(), err)
	}
	slot, err = f.get().Put(ctx, r)
	return slot, public(err)
}

// Sync writes the file to disk, as fsync(2) does. It holds no lock and may block
// for as long as the disk takes.
func (f *File) Sync() error { return public(f.get().Sync()) }

// checkLine refuses a line with /dev/. What a file already has may be written again.
func checkLine(r utmpx.Record) error {
	if r.Layout() == nil && strings.HasPrefix(r.Line, "/dev/") {
		return fmt.Errorf("%w: %q: leave out /dev/", ErrLine, r.Line)
	}
	return nil
}
