// SPDX-License-Identifier: BSD-2-Clause

// Package ledger keeps the boots of this system in a file of its own: when each
// began and ended, how, and how exact that is. It outlives the log and takes what
// the log could not be told.
//
// The file has a line for each boot, with a checksum. Lines are appended, so a power
// failure damages the last ones at most. A damaged line is skipped, and removed when
// a boot is added.
package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/filelock"
)

// File is the name of the ledger in STATE_DIR.
const File = "boots"

const (
	// Max is how many boots a ledger keeps: the last ones.
	Max = 1000
	// slack is how many more it may have until it is shortened.
	slack = 200
	// maxFile is how much of a file is read: its end. A line is far shorter than
	// 512 bytes.
	maxFile = (Max + slack) * 512
)

// ErrDamaged is the error of a ledger with lines that are no boots.
var ErrDamaged = errors.New("damaged lines are ignored")

// Read returns the boots of the ledger at path, oldest first, each once. The error
// wraps fs.ErrNotExist if there is no file. It does not follow a symbolic link. If
// the error wraps [ErrDamaged], the boots are those of the other lines.
func Read(path string) ([]boots.Past, error) {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := tail(f)
	if err != nil {
		return nil, err
	}
	ps, damaged := parse(b)
	if damaged > 0 {
		err = fmt.Errorf("ledger: read %s: %d %w", path, damaged, ErrDamaged)
	}
	return ps, err
}

// Append appends the boots that the ledger at path does not have, and waits for the
// disk. It creates the file, but not its directory, with mode 0644 less the umask.
// While another process appends, it waits until ctx ends.
func Append(ctx context.Context, path string, ps ...boots.Past) error {
	if len(ps) == 0 {
		return nil
	}
	f, err := locked(ctx, path)
	if err != nil {
		return err
	}
	defer f.Close()
	old, err := tail(f)
	if err != nil {
		return err
	}
	there, damaged := parse(old)
	ps = slices.DeleteFunc(slices.Clone(ps), func(p boots.Past) bool { return slices.ContainsFunc(there, p.Same) })
	if len(ps) == 0 {
		return nil
	}
	if all := append(there, ps...); damaged > 0 || len(all) > Max+slack {
		return shorten(path, all[max(0, len(all)-Max):])
	}
	return add(f, ps)
}

func open(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return f, nil
}

// locked opens the ledger and locks it.
func locked(ctx context.Context, path string) (*os.File, error) {
	for {
		f, err := open(path, os.O_RDWR|os.O_CREATE|os.O_APPEND)
		if err != nil {
			return nil, err
		}
		err = filelock.Try(f)
		if err == nil && current(f, path) {
			return f, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, filelock.ErrLocked) {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("ledger: lock %s: %w", path, context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// current reports whether a file is still the one at path.
func current(f *os.File, path string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Lstat(path)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// tail returns the lines at the end of a file.
func tail(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	from := max(0, info.Size()-maxFile)
	b, err := io.ReadAll(io.NewSectionReader(f, from, maxFile))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if from > 0 {
		_, b, _ = bytes.Cut(b, []byte{'\n'})
	}
	return b, nil
}

// add appends lines to a file of whole lines, all of them or none.
func add(f *os.File, ps []boots.Past) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	var b []byte
	for _, p := range ps {
		b = appendLine(b, p)
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Truncate(info.Size())
		return fmt.Errorf("ledger: %w", err)
	}
	if info.Size() == 0 {
		return syncDir(filepath.Dir(f.Name()))
	}
	return nil
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// shorten replaces the ledger by one with these boots alone.
func shorten(path string, ps []boots.Past) error {
	var b []byte
	for _, p := range ps {
		b = appendLine(b, p)
	}
	if err := atomicfile.WriteSync(path, 0o644, atomicfile.Bytes(b)); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
