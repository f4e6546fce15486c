// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/session"
)

// Describe describes the process that has pid now, also a zombie. ok is false if /proc
// does not show it. It does without the arguments if the kernel does not give them within
// a second.
func Describe(pid int32) (d Description, ok bool) {
	s, err := readStat(pid)
	if err != nil {
		return d, false
	}
	return describe(s), true
}

func describe(s stat) Description {
	d := Description{ID: s.id(), Parent: s.parent, Stopped: s.state == 'T' || s.state == 't'}
	dir := "/proc/" + strconv.Itoa(int(s.pid)) + "/"
	buf := make([]byte, 64)
	if n, err := readFile(dir+"comm", buf); err == nil {
		d.Name = strings.TrimSuffix(string(buf[:n]), "\n")
	}
	if uid, err := realUID(s.pid); err == nil {
		known, _ := readCommands([]process{{s.pid, uid}})
		text := strings.TrimRight(known[s.pid], "\x00 ") // blanks: a title that a program gave itself
		d.Command = strings.ReplaceAll(text, "\x00", " ")
	}
	if d.Command == "" {
		d.Command = "[" + d.Name + "]"
	}
	return d
}

// Activities tells what happens on terminal lines. It blocks for one pass over /proc,
// about 8 µs for each process, if any of the terminals exists. If the error is not nil, a
// leader or a foreground job that was not found may still exist.
//
// Source: tty_nr, session, pgrp and tpgid in proc_pid_stat(5).
func Activities(names []string) (map[string]Activity, error) {
	seen := make(map[string]Activity, len(names))
	on, uses := map[uint32]*terminalUse{}, map[string]*terminalUse{}
	for i, t := range lines.look(names) {
		a := Activity{Exists: t.err == nil}
		switch {
		case t.err == nil:
			a.Used = time.Unix(t.st.Atim.Unix())
			if on[t.tty] == nil { // a device may have several names
				on[t.tty] = &terminalUse{device: uint64(t.st.Dev)}
			}
			uses[names[i]] = on[t.tty]
		case !errors.Is(t.err, errNoLine):
			a.Unsure = t.err.Error()
		}
		seen[names[i]] = a
	}
	if len(on) == 0 {
		return seen, nil
	}
	err := eachStat(func(s stat) {
		if use := on[s.tty]; use != nil {
			use.see(s)
		}
	})
	if err == nil && hidesOthers() {
		err = errHidden
	}
	for name, use := range uses {
		a := seen[name]
		a.Leader, a.Running = describeIf(use.leader), describeIf(use.running)
		seen[name] = a
	}
	if err != nil {
		err = fmt.Errorf("proc: activity on terminals: %w", err)
	}
	return seen, err
}

// terminalUse is who uses a terminal.
type terminalUse struct {
	device          uint64
	leader, running stat
}

// see takes in a process that has the terminal, or one with its number elsewhere. Of the
// foreground job it keeps the process that leads it. If that is the session's leader, the
// job has no leader of its own, as of a shell below login(1) without job control: then it
// keeps the youngest, as w(1) does.
func (u *terminalUse) see(s stat) {
	if s.ended() || elsewhere(s, contained(s.pid), u.device) {
		return
	}
	if s.session == s.pid {
		u.leader = s
	}
	switch r := u.running; {
	case s.group != s.front, r.pid != 0 && r.leadsJob():
	case r.pid == 0, s.leadsJob(), s.start > r.start, s.start == r.start && s.pid > r.pid:
		u.running = s
	}
}

// leadsJob reports whether a process leads the foreground job, but not the session.
func (s stat) leadsJob() bool { return s.pid == s.front && s.pid != s.session }

func describeIf(s stat) Description {
	if s.pid == 0 {
		return Description{}
	}
	return describe(s)
}

// Logins returns the sessions of logind, or of elogind, that are logins, by their ids.
// Without logind there are none. It blocks for the reading of logind's files and, if
// there are sessions, for one pass over /proc.
func Logins() ([]Login, error) { return logins(logindDir) }

func logins(dir string) ([]Login, error) {
	sessions, err := logindSessions(dir)
	var all []Login
	for _, l := range sessions {
		if !isLogin(l.class) || l.about.Service == session.Run0 || l.user == "" {
			continue
		}
		a := l.about
		a.ID, a.User, a.Class, a.Leader = l.id, l.user, l.class, l.leader
		if a.TTY == "" && l.vt > 0 {
			a.TTY = session.Display{VT: l.vt}.String()
		}
		if l.leader > 0 {
			s, unread := readStat(l.leader)
			a.Lives = signalable(l.leader) && (unread != nil || !s.ended())
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Login) int { return strings.Compare(a.ID, b.ID) })
	if len(all) == 0 {
		return nil, err
	}
	led, unread := LedTerminals()
	for i := range all {
		all[i].find(led)
	}
	return all, errors.Join(err, unread)
}

// find fills in which terminals the session has: logind's, or for ssh those that sshd made.
// Once its leader has ended, it goes on by whoever leads one of them.
func (l *Login) find(led []LedTerminal) {
	if l.Service != "sshd" {
		if l.Lives || l.TTY == "" {
			return
		}
		seen, _ := Activities([]string{l.TTY})
		if pid := seen[l.TTY].Leader.ID.PID; pid != 0 && SessionOf(pid) == l.ID {
			l.LivesBy = pid
		}
		return
	}
	for _, t := range led {
		makers := session.Makers(t.Above)
		switch {
		case l.Lives && slices.Contains(makers, l.Leader):
		case !l.Lives && len(makers) > 0 && SessionOf(t.Leader.PID) == l.ID:
			l.LivesBy = t.Leader.PID
		default:
			continue
		}
		l.Lines = append(l.Lines, t.Line)
	}
	slices.Sort(l.Lines)
}

// SessionOf returns the id of logind's session to which a process belongs, "" if none.
func SessionOf(pid int32) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/cgroup")
	if err != nil {
		return ""
	}
	first, _ := os.ReadFile("/proc/1/cgroup")
	return parseScope(string(text), string(first))
}

// parseScope takes the session's id out of the text of /proc/PID/cgroup. Below their own
// services users make control groups of any name, so the whole path must be that of a session.
// In a container it may begin with the container's, as the first process has it.
//
// Source: systemd.scope(5), the names of session scopes; with elogind the control group
// has the id alone.
func parseScope(text, first string) string {
	above := make(map[string]string) // by controllers
	for line := range strings.Lines(first) {
		controllers, path := controlGroup(line)
		above[controllers] = strings.TrimSuffix(strings.TrimSuffix(path, "/init.scope"), "/")
	}
	for line := range strings.Lines(text) {
		controllers, path := controlGroup(line)
		path, ok := strings.CutPrefix(path, above[controllers]+"/")
		if !ok {
			continue
		}
		switch names := strings.Split(path, "/"); {
		case controllers == "name=elogind" && names[0] != "":
			return names[0]
		case len(names) > 2 && names[0] == "user.slice" && strings.HasPrefix(names[1], "user-"):
			if id, ok := strings.CutPrefix(names[2], "session-"); ok && strings.HasSuffix(id, ".scope") {
				return strings.TrimSuffix(id, ".scope")
			}
		}
	}
	return ""
}

// controlGroup returns the controllers and the path of a line of /proc/PID/cgroup.
//
// Source: cgroups(7).
func controlGroup(line string) (controllers, path string) {
	_, group, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
	controllers, path, _ = strings.Cut(group, ":")
	return controllers, path
}

// nameOf returns the name of a terminal by its device number, as in stat. "" means that
// it is neither a pseudo terminal nor a virtual one.
//
// Source: the kernel's Documentation/admin-guide/devices.txt: majors 136 to 143 and 4.
func nameOf(tty uint32) string {
	major, minor := tty>>8&0xfff, tty&0xff|tty>>12&0xfff00
	switch {
	case major >= unix98Major && major < unix98Major+8:
		return "pts/" + strconv.FormatUint(uint64(major-unix98Major)<<8|uint64(minor), 10)
	case major == 4 && minor > 0 && minor < 64:
		return "tty" + strconv.FormatUint(uint64(minor), 10)
	}
	return ""
}

// unix98Major is the first major number of pseudo terminals.
const unix98Major = 136
