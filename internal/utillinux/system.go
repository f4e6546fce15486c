// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// changed returns the time of a file's last change, in seconds.
func changed(f *os.File) int64 {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return 0
	}
	return int64(st.Ctim.Sec)
}

// owner returns the user that owns a file.
func owner(name string) (uid uint32, ok bool) {
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	return st.Uid, err == nil
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
