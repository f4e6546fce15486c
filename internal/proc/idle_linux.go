// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os/user"
	"strconv"
)

// idle reports for each user whether no process is his: none has his uid, as the
// real, effective, saved or file system uid. It blocks for one pass over /proc. A
// name that does not resolve is not idle: a program without cgo knows /etc/passwd
// alone.
//
// If the error is not nil, nobody is idle: /proc may not show all.
func idle(names []string) (map[string]bool, error) {
	resting := make(map[string]bool, len(names))
	byUID := map[string][]string{}
	for _, name := range names {
		if u, err := user.Lookup(name); err == nil {
			byUID[u.Uid] = append(byUID[u.Uid], name)
			resting[name] = true
		}
	}
	if len(byUID) == 0 {
		return resting, nil
	}
	var failed error
	buf := make([]byte, 4096)
	err := eachStat(func(s stat) {
		if s.ended() {
			return
		}
		n, err := readFile("/proc/"+strconv.Itoa(int(s.pid))+"/status", buf)
		if err != nil {
			if signalable(s.pid) {
				failed = err
			}
			return
		}
		for _, uid := range uids(buf[:n]) {
			for _, name := range byUID[uid] {
				delete(resting, name)
			}
		}
	})
	if err == nil && hidesOthers() {
		err = errHidden
	}
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("proc: processes of users: %w", err)
	}
	return resting, nil
}

// uids returns the uids of a process from its status.
//
// Source: Uid in proc_pid_status(5).
func uids(status []byte) []string {
	for line := range bytes.Lines(status) {
		if ids, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
			var all []string
			for _, id := range bytes.Fields(ids) {
				all = append(all, string(id))
			}
			return all
		}
	}
	return nil
}
