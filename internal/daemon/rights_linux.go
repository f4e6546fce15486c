package daemon

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// writable reports why a file may not be written to. A missing file may come.
func writable(name string) error {
	err := unix.Faccessat(unix.AT_FDCWD, name, unix.W_OK, unix.AT_EACCESS)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ownerOf reports why this process may not act as the owner of a file.
func ownerOf(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil || int(st.Uid) == unix.Geteuid() || hasCap(unix.CAP_FOWNER) {
		return nil
	}
	return unix.EPERM
}

// exitStatusTold reports whether the kernel tells how a stranger's child ended:
// by PIDFD_GET_INFO since Linux 6.15.
func exitStatusTold() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 15)
}

func hasCap(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}
