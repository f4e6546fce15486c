// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package proc

import "os"

// LedTerminals returns none: only logind's sessions, on Linux, are looked for by them.
func LedTerminals() ([]LedTerminal, error) { return nil, nil }

// LedBelow reports false: nothing is known.
func LedBelow([]int32) ([]LedTerminal, bool) { return nil, false }

// Above returns none.
func Above(int32) []int32 { return nil }

// RunsJob reports true: nothing is known.
func RunsJob(int32) bool { return true }

// MissingTerminals returns a function that reports false: nothing is known.
func MissingTerminals() func(string) bool { return func(string) bool { return false } }

// TerminalDevice reports whether a name below /dev is that of a character device. It follows
// no link.
func TerminalDevice(name string) bool {
	path, ok := linePath(name)
	if !ok {
		return false
	}
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == os.ModeDevice|os.ModeCharDevice
}
