// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"os"
	"strconv"
)

// generations bounds a search for an ancestor.
const generations = 100

// Within reports whether a process is a descendant of another, or may be one: what
// cannot be read does not tell.
func Within(pid, of int32) bool {
	for range generations {
		if pid == of {
			return true
		}
		if pid <= 1 {
			return false
		}
		line, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/stat")
		if err != nil {
			return true
		}
		s, err := parseStat(line)
		if err != nil {
			return true
		}
		pid = s.parent
	}
	return true
}
