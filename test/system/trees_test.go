// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// tree is a program of which each session is a process tree of its own, and is ended in all
// the ways of [trees] at once, beside one that goes on.
type tree struct {
	name  string
	setup func(*testing.T)
	login func(t *testing.T, n int) *session // the nth session

	aged     bool // the record is a display's, whose process must be seen alive for a minute
	in13     bool // Debian 13's is run too
	together bool // all sessions have the same line, and are told apart by ut_pid
	unlogged bool // it writes no login to wtmp
	logouts  int  // that it writes itself when a session is left; 0: one
}

// fate is a way to end a session.
type fate struct {
	name string
	do   func(*testing.T, *session)
}

func killed(name string, pick func(*session) []int) fate {
	return fate{name, func(t *testing.T, s *session) { kill(name, pick).do(t, s) }}
}

var fates = []fate{
	{"exit", func(t *testing.T, s *session) { s.typeln(t, "exit") }},
	killed("ut_pid", func(s *session) []int { return []int{int(s.entry.PID)} }),
	killed("shell", shell),
	killed("parent", server),
	killed("all", func(s *session) []int { return []int{s.client, int(s.entry.PID), s.server, s.shell} }),
}

// typeln types a line into the session. A window of an X terminal gets it by its terminal.
func (s *session) typeln(t *testing.T, line string) {
	t.Helper()
	switch {
	case s.tm != nil:
		s.tm.typeln(t, line)
		return
	case s.enter != nil:
		s.enter(t, line)
		return
	}
	tty, err := os.OpenFile("/dev/"+s.entry.Line, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	for i := range len(line) + 1 {
		key := (line + "\n")[i]
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, tty.Fd(), unix.TIOCSTI, addressOf(&key)); errno != 0 {
			t.Fatalf("typing on %s: %v", s.entry.Line, errno)
		}
	}
}

// answers waits until the session's shell has answered, and returns its pid.
func (s *session) answers(t *testing.T) int {
	t.Helper()
	answer := fmt.Sprintf("/tmp/answer-%s-%d", strings.NewReplacer("/", "-", " ", "-").Replace(s.entry.Line), time.Now().UnixNano())
	s.typeln(t, "echo $$ >"+answer)
	pid := 0
	waitFor(t, generous, "the shell on "+s.entry.Line, func() bool {
		b, _ := os.ReadFile(answer)
		_, err := fmt.Sscanf(string(b), "%d\n", &pid)
		return err == nil
	})
	return pid
}

// withShell asks the session's shell who it is, and who is its parent.
func (s *session) withShell(t *testing.T) *session {
	t.Helper()
	s.shell = s.answers(t)
	s.server = parentOf(t, s.shell)
	return s
}

// TestTrees has six sessions of each program at once. Five are ended, each in another way: who
// shows no ghost of them, and wtmp has their logouts. The sixth, and what lives on without its
// ut_pid, stays.
func TestTrees(t *testing.T) {
	if !inside() {
		t.Parallel()
	}
	for _, p := range trees {
		for _, s := range p.suites() {
			t.Run(p.in(s), func(t *testing.T) {
				if enter(t, s) {
					p.judge(t)
				}
			})
		}
	}
}

func (p *tree) suites() []suite {
	if p.in13 {
		return moreSuites
	}
	return moreSuites[:1]
}

// in names the row of a suite.
func (p *tree) in(s suite) string {
	if s == moreOf13 {
		return p.name + ", Debian 13"
	}
	return p.name
}

// branch is one session of a tree, and its fate.
type branch struct {
	*session
	fate  string
	death time.Time // when it was seen dead
	gone  time.Time // when who did not show it any more
}

func (b *branch) lives() bool { return alive(b.shell) }

func (p *tree) judge(t *testing.T) {
	addAlice(t)
	if p.setup != nil {
		p.setup(t)
	}
	d := startUtmpd(t)
	stays := &branch{session: p.login(t, 0), fate: "none"}
	var all []*branch
	for i, f := range fates {
		all = append(all, &branch{session: p.login(t, i+1), fate: f.name})
	}
	pids := map[int]bool{}
	for _, b := range append(slices.Clone(all), stays) {
		if !p.shown(t)(b) || !b.lives() || pids[b.shell] {
			t.Fatalf("no session of its own: %v, shell %d, lives %v, who:\n%s", b.entry, b.shell, b.lives(), who(t))
		}
		pids[b.shell] = true
	}
	if p.aged {
		time.Sleep(time.Minute + slow)
	}
	for i, f := range fates {
		f.do(t, all[i].session)
	}
	p.watch(t, all)
	var living []*branch
	for _, b := range all {
		if b.gone.IsZero() {
			living = append(living, b)
			b.answers(t)
			d.waitLog(t, "session left alone", "line="+b.entry.Line)
			kill("its shell", shell).do(t, b.session)
		}
	}
	p.watch(t, living)
	for _, b := range living {
		if b.gone.IsZero() {
			t.Errorf("%s: its shell is killed, and who still shows it", b.fate)
		}
		b.fate += ", then shell"
	}
	settle(t)
	for _, b := range all {
		p.checkLogouts(t, b)
		report("%s=%.1fs", strings.ReplaceAll(b.fate, " ", "-"), b.gone.Sub(b.death).Seconds())
	}
	if !stays.lives() || !p.shown(t)(stays) {
		t.Error("the session that nobody has ended is not shown")
	}
	stays.answers(t)
	if p.together {
		p.alone(t, stays)
	}
}

// alone has one session on the line that all have: in wtmp, each login there ends the one before,
// and so nobody else's logout is missed. This one's is there.
func (p *tree) alone(t *testing.T, stays *branch) {
	t.Helper()
	fates[0].do(t, stays.session)
	p.watch(t, []*branch{stays})
	b := &branch{session: p.login(t, 1+len(fates)), fate: "alone, all"}
	fates[len(fates)-1].do(t, b.session)
	p.watch(t, []*branch{b})
	settle(t)
	if got := p.logoutsOf(t, b); got != 1 {
		t.Errorf("%s: wtmp holds %d logouts of %v", b.fate, got, b.entry)
	}
	report("%s=%.1fs", strings.ReplaceAll(b.fate, " ", "-"), b.gone.Sub(b.death).Seconds())
}

// shown asks who once, and returns whether it shows a session.
func (p *tree) shown(t *testing.T) func(*branch) bool {
	t.Helper()
	lines := strings.Split(judge(t, "/usr/bin/who", "-u", utmpFile), "\n")
	return func(b *branch) bool {
		return slices.ContainsFunc(lines, func(line string) bool {
			return strings.Contains(line, " "+b.entry.Line+" ") && (!p.together || slices.Contains(strings.Fields(line), fmt.Sprint(b.entry.PID)))
		})
	}
}

// watch follows sessions until each has ended and is not shown, or lives on in peace.
func (p *tree) watch(t *testing.T, all []*branch) {
	t.Helper()
	began := time.Now()
	for ; time.Since(began) < grace+slow; time.Sleep(20 * time.Millisecond) {
		open := 0
		shown := p.shown(t)
		for _, b := range all {
			if !b.gone.IsZero() {
				continue
			}
			lives, on := b.lives(), shown(b)
			if !lives && b.death.IsZero() {
				b.death = time.Now()
			}
			if !on && lives && time.Since(began) < time.Second {
				open++ // an owner logs it out while it ends
				continue
			}
			if !on && lives {
				t.Errorf("%s: who does not show the living session %v", b.fate, b.entry)
			}
			if !on {
				b.gone = time.Now()
				continue
			}
			if !lives || time.Since(began) < grace+1500*time.Millisecond {
				open++
			}
		}
		if open == 0 {
			return
		}
	}
	for _, b := range all {
		if b.gone.IsZero() && !b.lives() {
			t.Errorf("%s: a ghost, %v after the end: %v", b.fate, time.Since(b.death), b.entry)
		}
	}
}

// checkLogouts checks that wtmp has a logout of the session, the last on its line, and no more
// than its program writes.
func (p *tree) checkLogouts(t *testing.T, b *branch) {
	t.Helper()
	most := max(1, p.logouts)
	least := 1
	if p.together {
		least = 0
	}
	got := p.logoutsOf(t, b)
	switch {
	case p.unlogged && got != 0, !p.unlogged && (got < least || got > most), b.fate == "exit" && !p.unlogged && got != most:
		t.Errorf("%s: wtmp holds %d logouts of %v", b.fate, got, b.entry)
	}
}

func (p *tree) logoutsOf(t *testing.T, b *branch) (got int) {
	t.Helper()
	for _, r := range records(t, wtmpFile) {
		switch {
		case r.Line != b.entry.Line, p.together && r.PID != b.entry.PID:
		case r.Type == utmpx.UserProcess:
			got = 0
		case r.Type == utmpx.DeadProcess:
			got++
		}
	}
	return got
}
