// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// accounts answers whether a user may still be on.
type accounts struct {
	known map[string]uint32 // of /etc/passwd; nil: not read yet
	asked map[string]bool   // names that are not there, and others were asked for
	other bool              // the system knows users who are not in /etc/passwd
}

// present reports whether the session of a login that nothing has ended can still be
// there: its process belongs to a session of this user, or, if that cannot be read, the
// user owns the terminal.
func (a *accounts) present(user, line string, pid int32) bool {
	uid, ok := a.uid(user)
	if !ok {
		return false
	}
	session, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(uint32(pid)), 10) + "/loginuid")
	if err == nil {
		v, err := strconv.ParseUint(strings.TrimSpace(string(session)), 10, 32)
		return err == nil && uint32(v) == uid
	}
	of, ok := owner("/dev/" + line)
	return ok && of == uid
}

// mostAsked is how many users other sources than /etc/passwd are asked for.
const mostAsked = 256

// uid returns the number of a user.
func (a *accounts) uid(name string) (uint32, bool) {
	if a.known == nil {
		a.load()
	}
	uid, ok := a.known[name]
	if ok || !a.other || a.asked[name] || len(a.asked) >= mostAsked {
		return uid, ok
	}
	name = strings.Clone(name) // it shares the block's memory
	a.asked[name] = true
	out, err := exec.Command("getent", "passwd", "--", name).Output()
	if err != nil {
		return 0, false
	}
	a.take(string(out))
	uid, ok = a.known[name]
	return uid, ok
}

func (a *accounts) load() {
	a.known, a.asked = make(map[string]uint32), make(map[string]bool)
	passwd, _ := os.ReadFile("/etc/passwd")
	for line := range strings.Lines(string(passwd)) {
		a.take(line)
	}
	sources, _ := os.ReadFile("/etc/nsswitch.conf")
	for line := range strings.Lines(string(sources)) {
		if what, from, _ := strings.Cut(line, ":"); strings.TrimSpace(what) == "passwd" {
			for _, source := range strings.Fields(from) {
				a.other = a.other || source != "files"
			}
		}
	}
}

// take takes in a line of /etc/passwd. Of two with the same name, the first counts.
func (a *accounts) take(line string) {
	f := strings.SplitN(line, ":", 4)
	if len(f) < 4 {
		return
	}
	uid, err := strconv.ParseUint(f[2], 10, 32)
	if _, twice := a.known[f[0]]; err == nil && !twice {
		a.known[f[0]] = uint32(uid)
	}
}
