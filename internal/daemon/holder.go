// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"utmpd.dev/utmpd/internal/recfile"
)

// holderAttrs returns the attributes of the process that holds a lock, if the
// system names it.
func holderAttrs(err error) []any {
	var locked *recfile.LockedError
	if !errors.As(err, &locked) || locked.PID <= 0 {
		return nil
	}
	args := []any{"holder", locked.PID}
	info, err := os.Stat(fmt.Sprintf("/proc/%d", locked.PID))
	if err != nil {
		return args
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		uid := strconv.FormatUint(uint64(st.Uid), 10)
		if u, err := user.LookupId(uid); err == nil {
			uid = u.Username
		}
		args = append(args, "user", uid)
	}
	return args
}
