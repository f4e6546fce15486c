// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Inhabited returns the ids of logind's sessions that have a process. It may have other words
// too, and fails if processes are hidden. It blocks for one pass over /proc.
//
// Source: systemd.scope(5), the names of session scopes; with elogind the control group has
// the id alone.
func Inhabited() (ids map[string]bool, err error) {
	if hidesOthers() {
		return nil, fmt.Errorf("proc: /proc hides processes")
	}
	ids = make(map[string]bool)
	err = eachStat(func(s stat) {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(int(s.pid)) + "/cgroup")
		if err != nil || s.ended() {
			return
		}
		for name := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '/' || r == '\n' }) {
			ids[strings.TrimSuffix(strings.TrimPrefix(name, "session-"), ".scope")] = true
		}
	})
	if err != nil {
		return nil, fmt.Errorf("proc: sessions of processes: %w", err)
	}
	return ids, nil
}
