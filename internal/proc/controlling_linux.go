// SPDX-License-Identifier: BSD-2-Clause

package proc

// LineOf returns the line of a process's controlling terminal. "" means that it has none,
// or one that is neither a pseudo terminal nor a virtual one.
func LineOf(pid int32) string {
	s, err := readStat(pid)
	if err != nil {
		return ""
	}
	return nameOf(s.tty)
}
