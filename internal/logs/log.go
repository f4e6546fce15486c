// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// Options configure a [Log]. The zero value is for this machine.
type Options struct {
	// System is where the files are. nil is the kernel's.
	System sysfile.System
	// Layout is that of a file that does not show its own: an empty one, say.
	// nil is [utmpx.Native].
	Layout *utmpx.Layout
	// Detector is one to share, in place of Layout. nil makes one.
	Detector *recfile.Detector
	// Force is the layout of every file, whatever it shows: what is at a multiple of the
	// record's size is a record, whatever it holds, and nothing is damage.
	Force *utmpx.Layout
	// Other, if it is set, tells by the beginning of a file whether it has records of another
	// form than one in each slot of a layout here: nil if not.
	Other func(head []byte) Form
	// Reuse makes all records of an iteration share one block of memory, which is
	// overwritten once the loop goes on: for readers that keep nothing of a record.
	Reuse bool
	// Torn makes damage of a part of a record at the end of a compressed or a rotated file,
	// to which nobody writes any more. Without it that is left out.
	Torn bool
	// Waiting, if it is set, is called by [Log.Follow] each time it has read all there
	// is, before it waits.
	Waiting func()
}

// Log is a wtmpx log: a file, and the files beside it that were rotated away.
// It keeps nothing open. It may be used by many goroutines.
type Log struct {
	name    string
	sys     sysfile.System
	layout  *recfile.Detector
	force   *utmpx.Layout // nil: each file shows its own
	other   func(head []byte) Form
	reuse   bool
	torn    bool
	waiting func()
}

// New names a log. It does no I/O.
func New(name string, o Options) *Log {
	l := &Log{name: name, sys: o.System, layout: o.Detector, force: o.Force, other: o.Other, reuse: o.Reuse, torn: o.Torn, waiting: o.Waiting}
	if l.waiting == nil {
		l.waiting = func() {}
	}
	if l.layout == nil {
		l.layout = recfile.NewDetector(o.Layout)
	}
	if l.sys == nil {
		l.sys = sysfile.Kernel()
	}
	return l
}

// Name returns the name of the present file.
func (l *Log) Name() string { return l.name }

// FileInfo describes one file of a log as it was listed.
type FileInfo struct {
	Name         string // with its directory
	Compressed   bool   // by its name
	sysfile.Info        // of the file as it is, compressed or not
}

// Same reports whether f and g are the same file under the same name, with no
// change in between.
func (f FileInfo) Same(g FileInfo) bool {
	return f.Name == g.Name && f.Generation == g.Generation && f.Size == g.Size && f.Modified.Equal(g.Modified)
}

// Files lists the files of the log: those rotated away, oldest first, and last
// the present one. It leaves the present one out if it is missing. The order is
// that of the last change, which compressing and renaming keep. Of a file that
// is there compressed and plain, only the plain one is listed.
//
// With an error Files returns what it knows: without the directory that is the
// present file; a present file that cannot be looked up has its name only.
func (l *Log) Files(ctx context.Context) ([]FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, sysfile.Wrap("list the files of", l.name, err)
	}
	rotated, listErr := l.rotated()
	now, err := l.sys.Lookup(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return rotated, listErr
	}
	if err != nil {
		return append(rotated, FileInfo{Name: l.name}), errors.Join(listErr, sysfile.Wrap("read", l.name, err))
	}
	rotated = slices.DeleteFunc(rotated, func(f FileInfo) bool { return f.Generation == now.Generation })
	return append(rotated, FileInfo{Name: l.name, Info: now}), listErr
}

// rotated lists the files rotated away, oldest first.
func (l *Log) rotated() ([]FileInfo, error) {
	dir, base := filepath.Split(l.name)
	names, err := l.sys.List(filepath.Clean(dir + "."))
	if err != nil {
		return nil, sysfile.Wrap("list the files of", l.name, err)
	}
	var files []FileInfo
	for _, name := range names {
		ending := compressedEnding(name)
		plain := strings.TrimSuffix(name, ending)
		if !isRotated(base, plain) || ending != "" && slices.Contains(names, plain) {
			continue
		}
		// A file that has just gone, or is not regular, is no part of the log.
		info, err := l.sys.Lookup(dir + name)
		if err != nil || !info.Mode.IsRegular() {
			continue
		}
		files = append(files, FileInfo{Name: dir + name, Compressed: ending != "", Info: info})
	}
	slices.SortFunc(files, func(a, b FileInfo) int {
		return cmp.Or(a.Modified.Compare(b.Modified), -cmp.Compare(number(a.Name), number(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return files, nil
}

// compressedEnding returns the ending of a compressed file's name, "" of others.
func compressedEnding(name string) string {
	if ext := filepath.Ext(name); slices.Contains([]string{".gz", ".xz", ".bz2", ".zst", ".Z"}, ext) {
		return ext
	}
	return ""
}

// isRotated reports whether name is base with a number or a date appended, as
// logrotate, newsyslog and logadm name files: wtmp.1, wtmp-20260701,
// wtmp.2026-07-01.
func isRotated(base, name string) bool {
	suffix, ok := strings.CutPrefix(name, base)
	if !ok || len(suffix) < 2 || suffix[0] != '.' && suffix[0] != '-' {
		return false
	}
	return strings.Trim(suffix[1:], "0123456789-_.T:") == ""
}

// number returns the number in a rotated file's name; a higher one is older. It
// is 0 for a date.
func number(name string) int {
	name = strings.TrimSuffix(name, compressedEnding(name))
	n, digits := 0, name[strings.LastIndexByte(name, '.')+1:]
	if len(digits) > 4 {
		return 0
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}
