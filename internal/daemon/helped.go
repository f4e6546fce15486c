// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"utmpd.dev/utmpd/internal/sysfile"
)

// helped are the kernel's files for a process that may not open what has come to the names
// of its two files: an opener, another process, does.
type helped struct {
	sysfile.System
	openers map[string]opener // by the file's name
}

// opener opens the file of a name, or of one that begins with it.
type opener interface {
	Open(ending string, mode sysfile.OpenMode) (*os.File, error)
	Ended() bool
}

func (h *helped) Open(name string, mode sysfile.OpenMode) (sysfile.Handle, error) {
	own, err := h.System.Open(name, mode)
	if !errors.Is(err, fs.ErrPermission) {
		return own, err
	}
	o, ending := h.of(name)
	if o == nil {
		return nil, err
	}
	f, err := o.Open(ending, mode)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return sysfile.Opened(f, name), nil
}

// of returns the opener of a name, and what the name has behind that of the opener's file.
func (h *helped) of(name string) (o opener, ending string) {
	if o := h.openers[name]; o != nil {
		return o, ""
	}
	for file, o := range h.openers {
		if ending, ok := strings.CutPrefix(name, file); ok {
			return o, ending
		}
	}
	return nil, ""
}

// ended reports whether a file was asked for in vain. Such a file is out of reach until a
// restart.
func (h *helped) ended() bool {
	for _, o := range h.openers {
		if o.Ended() {
			return true
		}
	}
	return false
}
