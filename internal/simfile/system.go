// SPDX-License-Identifier: BSD-2-Clause

// Package simfile simulates the kernel's files in memory, for tests: inodes and
// names, open file descriptions, OFD and POSIX locks, and injected faults. It
// blocks on channels only, so that it works in a testing/synctest bubble.
package simfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
)

// Call is the name of a call to the system.
type Call string

// The calls.
const (
	Open     Call = "open"
	Lookup   Call = "lookup"
	List     Call = "list"
	Read     Call = "read"
	Write    Call = "write"
	Append   Call = "append"
	Truncate Call = "truncate"
	TryLock  Call = "trylock"
	Lock     Call = "lock"
	Unlock   Call = "unlock"
	Holder   Call = "holder"
	Stat     Call = "stat"
	Utime    Call = "utime"
	Sync     Call = "sync"
	Close    Call = "close"
)

// Op is one call.
type Op struct {
	PID    int32 // 0: the program under test
	Call   Call
	Name   string
	Offset int64 // of Read and Write; the size of Truncate
	Len    int   // of Read, Write and Append
}

// Fault makes a call fail with Err. A Read, Write or Append handles N bytes
// first.
type Fault struct {
	N   int
	Err error
}

// System is the simulated system. As a [sysfile.System] it serves the program
// under test, whose locks belong to open file descriptions. For other processes
// see [System.As]. It is safe for concurrent use.
type System struct {
	view
	mu    sync.Mutex
	names map[string]*inode
	inos  uint64
	fault func(Op) *Fault
	calls map[Call]int
	open  int
	now   func() time.Time
	last  time.Time // of the last change
}

var _ sysfile.System = (*System)(nil)

// New returns a system without files. Its clock is time.Now, which a synctest
// bubble simulates.
func New() *System {
	s := &System{names: map[string]*inode{}, calls: map[Call]int{}, now: time.Now}
	s.view = view{s: s}
	return s
}

// inode is a file. It can have several names or none. System.mu guards it.
type inode struct {
	ino   uint64
	data  []byte
	mode  fs.FileMode
	uid   uint32
	link  string
	atime time.Time
	mtime time.Time
	locks
}

// As returns the system for another process. Its locks are POSIX locks: they show
// its pid, and are released when it closes any descriptor of the file.
func (s *System) As(pid int32) sysfile.System { return view{s, pid} }

// Inject makes the system call f before each call. f may change the system first,
// and makes the call fail by returning a Fault. f is also called for its own
// calls, and concurrently if several goroutines call. A nil f ends the injection.
func (s *System) Inject(f func(Op) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Calls returns how often the program under test has made each call, and resets
// the counts.
func (s *System) Calls() map[Call]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls
	s.calls = map[Call]int{}
	return c
}

// OpenHandles returns the number of open handles of all processes.
func (s *System) OpenHandles() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// changed returns the time of a change. It is different for each change. Linux
// guarantees that since 6.13 for changes between which the file's time was read.
func (s *System) changed() time.Time {
	if now := s.now(); now.After(s.last) {
		s.last = now
	} else {
		s.last = s.last.Add(1)
	}
	return s.last
}

func (s *System) newInode(data []byte) *inode {
	s.inos++
	now := s.changed()
	return &inode{ino: s.inos, data: slices.Clone(data), mode: 0o664, atime: now, mtime: now}
}

// WriteFile creates a new file with that name. An old file with the name loses
// it, but stays usable through open handles.
func (s *System) WriteFile(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = s.newInode(data)
}

// Change replaces the content of a file by the result of f, like a writer that
// takes no locks. The inode stays the same.
func (s *System) Change(name string, f func(data []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.names[name]
	n.data, n.mtime = f(n.data), s.changed()
}

// Special creates a directory, FIFO, socket or device, as the type in mode says.
func (s *System) Special(name string, mode fs.FileMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = s.newInode(nil)
	s.names[name].mode = mode
}

// Symlink creates a symbolic link that uid owns.
func (s *System) Symlink(to, name string, uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.newInode(nil)
	n.mode, n.link, n.uid = fs.ModeSymlink|0o777, to, uid
	s.names[name] = n
}

// Rename renames a file, as rename(2) does.
func (s *System) Rename(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[to] = s.names[from]
	delete(s.names, from)
}

// Remove removes a name.
func (s *System) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
}

// ReadFile returns the content of a file, nil if there is none.
func (s *System) ReadFile(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.names[name]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

// SetTime sets a file's modification time.
func (s *System) SetTime(name string, modified time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name].mtime = modified
}

// Names returns all names, sorted.
func (s *System) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.names))
}

// view is the system as one process uses it; pid 0 is the program under test.
type view struct {
	s   *System
	pid int32
}

// call counts a call and returns its fault. The caller must not hold the lock.
func (v view) call(op Op) *Fault {
	op.PID = v.pid
	v.s.mu.Lock()
	if v.pid == 0 {
		v.s.calls[op.Call]++
	}
	f := v.s.fault
	v.s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op)
}

// follow resolves a name. With rootOnly it fails at a symbolic link that another
// user than root owns.
func (s *System) follow(name string, rootOnly bool) (*inode, error) {
	for range 8 {
		n := s.names[name]
		switch {
		case n == nil:
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		case n.link == "":
			return n, nil
		case rootOnly && n.uid != 0:
			return nil, fmt.Errorf("%w, but user %d's", sysfile.ErrSymlink, n.uid)
		case path.IsAbs(n.link):
			name = n.link
		default:
			name = path.Join(path.Dir(name), n.link)
		}
	}
	return nil, errors.New("too many symbolic links")
}

// Open implements [sysfile.System].
func (v view) Open(name string, mode sysfile.OpenMode) (sysfile.Handle, error) {
	if f := v.call(Op{Call: Open, Name: name}); f != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.Err}
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	n, err := v.s.follow(name, true)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsRegular() {
		return nil, fmt.Errorf("%w but a %s", sysfile.ErrNotRegular, kindOf(n.mode))
	}
	v.s.open++
	return &handle{view: v, name: name, n: n, mode: mode}, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeNamedPipe != 0:
		return "FIFO"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// Lookup implements [sysfile.System].
func (v view) Lookup(name string) (sysfile.Info, error) {
	if f := v.call(Op{Call: Lookup, Name: name}); f != nil {
		return sysfile.Info{}, &fs.PathError{Op: "stat", Path: name, Err: f.Err}
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	n, err := v.s.follow(name, false)
	if err != nil {
		return sysfile.Info{}, err
	}
	return n.info(), nil
}

func (n *inode) info() sysfile.Info {
	return sysfile.Info{
		Generation: snapshot.Generation{Dev: 1, Ino: n.ino},
		Size:       int64(len(n.data)), Mode: n.mode, UID: n.uid,
		Accessed: n.atime, Modified: n.mtime,
	}
}

// List implements [sysfile.System].
func (v view) List(dir string) ([]string, error) {
	if f := v.call(Op{Call: List, Name: dir}); f != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: f.Err}
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	var names []string
	for name := range v.s.names {
		if path.Dir(name) == path.Clean(dir) {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}
