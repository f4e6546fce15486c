// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// row is one machine.
type row struct {
	system string // the name in images.sh
	mount  string // the mount option of /var
	root   bool   // /var is on the root file system, which init can write to from the start
	init   string // the program that the kernel starts, if not /sbin/init
}

var rows = []row{
	{system: "debian12-systemd", mount: "relatime"},
	{system: "debian12-systemd", mount: "noatime"},
	{system: "debian12-systemd", mount: "lazytime"},
	{system: "debian13-systemd", mount: "relatime"},
	{system: "debian12-sysvinit", mount: "relatime"},
	{system: "debian12-sysvinit", mount: "relatime", root: true},
	{system: "debian12-openrc", mount: "relatime", root: true},
	{system: "debian12-openrc", mount: "relatime", root: true, init: "/sbin/openrc-init"},
}

func (r row) name() string {
	name := r.system
	if r.init != "" {
		name += "-init"
	}
	if r.root {
		return name + "-root"
	}
	return name + "-" + r.mount
}

// shutdown is the command that makes the row's init boot again.
func (r row) shutdown() string {
	if r.init != "" {
		return "openrc-shutdown -r now"
	}
	return "shutdown -r now"
}

// selected reports whether -run names the row.
func (r row) selected() bool {
	test, name, _ := strings.Cut(flag.Lookup("test.run").Value.String(), "/")
	return names(test, "TestMachines") && names(name, r.name())
}

// names reports whether a part of -run names a test.
func names(part, test string) bool {
	match, err := regexp.MatchString(part, test)
	return err != nil || match // the testing package reports a bad expression
}

// The columns of the matrix.
const (
	waits    = "login at two gettys, by a login that writes no record"
	killed   = "utmpd killed during a session"
	exit     = "exit status of a killed session"
	readers  = "programs that read utmp"
	cutShort = "power cut, heartbeat every 10 s"
	cutLong  = "power cut, heartbeat every 60 s (the default)"
	cutBare  = "power cut, note lost, access time only"
	clockSet = "clock set forward and back by an hour"
	sleep    = "suspended to memory"
	reboot   = "controlled reboot"
)

var columns = []string{waits, killed, exit, readers, cutShort, cutLong, cutBare, clockSet, sleep, reboot}

// columns returns those of a row.
func (r row) columns() []string {
	if r.silent() {
		return columns
	}
	return columns[1:]
}

// silent reports whether the machine's login(1) writes no records.
func (r row) silent() bool { return strings.HasPrefix(r.system, "debian13-") }

// matrix is the results of the run.
type matrix struct {
	mu    sync.Mutex
	about map[string]string            // by row: the machine's description
	cells map[string]map[string]string // by row and column
}

var seen = matrix{about: make(map[string]string), cells: make(map[string]map[string]string)}

// note puts a result into a cell.
func (x *matrix) note(t *testing.T, r row, column, format string, args ...any) {
	t.Helper()
	if t.Failed() {
		return // a result from before a failure proves nothing
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cells[r.name()] == nil {
		x.cells[r.name()] = make(map[string]string)
	}
	x.cells[r.name()][column] = fmt.Sprintf(format, args...)
	t.Logf("%s: %s", column, x.cells[r.name()][column])
}

func (x *matrix) describe(r row, about string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.about[r.name()] = about
}

// missing returns the cells of a row that have no result.
func (x *matrix) missing(r row) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var m []string
	for _, c := range r.columns() {
		if x.cells[r.name()][c] == "" {
			m = append(m, c)
		}
	}
	return m
}

// print writes the rows that were run.
func (x *matrix) print(w io.Writer) {
	for _, r := range rows {
		io.WriteString(w, x.table(r))
	}
}

// table returns a row as text, with a line for each cell; "" if it was not run.
func (x *matrix) table(r row) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	about := x.about[r.name()]
	if about == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n**%s**\n\n| case | result |\n|---|---|\n", about)
	for _, c := range r.columns() {
		cell := x.cells[r.name()][c]
		if cell == "" {
			cell = "NOT SEEN"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", c, cell)
	}
	return b.String()
}

// The matrix is between these lines, and each row follows a line of its own.
const (
	openMark  = "<!-- seen on whole machines: make test-vm writes the text from here -->\n"
	closeMark = "<!-- to here -->\n"
)

func (r row) mark() string { return "<!-- " + r.name() + " -->\n" }

// write replaces the rows of this run in the file called name and leaves the others. It
// fails if a row is in neither.
func (x *matrix) write(name string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(old), openMark)
	section, after, ok2 := strings.Cut(rest, closeMark)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: no markers", name)
	}
	var b strings.Builder
	var missing []string
	for _, r := range rows {
		text := x.table(r)
		if text == "" {
			_, text, _ = strings.Cut(section, r.mark())
			text, _, _ = strings.Cut(text, "\n<!-- ")
		}
		if text == "" {
			missing = append(missing, r.name())
			continue
		}
		b.WriteString("\n" + r.mark() + strings.TrimRight(text, "\n") + "\n")
	}
	if err := os.WriteFile(name, []byte(before+openMark+b.String()+"\n"+closeMark+after), 0o644); err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: not seen yet: %s", name, strings.Join(missing, ", "))
	}
	return nil
}
