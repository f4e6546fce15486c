// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package repair

import (
	"os"
	"time"
)

// setTimes sets the times of a file by its name.
func setTimes(f *os.File, accessed, modified time.Time) error {
	return os.Chtimes(f.Name(), accessed, modified)
}

// lockDir does nothing: directories have no locks here.
func lockDir(string) (unlock func(), err error) { return func() {}, nil }

// changeable does nothing: if the file cannot be replaced, trying shows it.
func changeable(string) error { return nil }

// Who may write to a file that has lost its name.
type writers int

const (
	writersSome writers = iota
	writersNone
	writersUnknown
)

// unwritten does not know.
func unwritten(string) writers { return writersUnknown }

// copyAttributes does nothing.
func copyAttributes(*os.File, string) (notes []string, err error) { return nil, nil }
