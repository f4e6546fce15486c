// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// typed returns the file to which a name that the user gave leads, through symbolic links.
// Its error names what the user typed.
func typed(name string) (string, error) {
	to, err := filepath.EvalSymlinks(name)
	var at *fs.PathError
	if errors.As(err, &at) {
		err = &fs.PathError{Op: "open", Path: name, Err: at.Err}
	}
	return to, err
}
