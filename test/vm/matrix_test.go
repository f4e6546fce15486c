//go:build system

package vm

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// row is one machine.
type row struct {
	system string // as images.sh calls it
	mount  string // the option of /var
}

var rows = []row{
	{"debian12-systemd", "relatime"},
	{"debian12-systemd", "noatime"},
	{"debian12-systemd", "lazytime"},
	{"debian13-systemd", "relatime"},
	{"debian12-sysvinit", "relatime"},
}

func (r row) name() string { return r.system + "-" + r.mount }

// The columns of the matrix.
const (
	killed   = "utmpd killed in mid-session"
	exit     = "exit status of a killed session"
	readers  = "what reads utmp"
	cutShort = "power cut, a beat every 10 s"
	cutLong  = "power cut, every 60 s (the default)"
	cutBare  = "power cut, the note lost: the access time alone"
	reboot   = "controlled reboot"
)

var columns = []string{killed, exit, readers, cutShort, cutLong, cutBare, reboot}

// matrix is what was seen.
type matrix struct {
	mu    sync.Mutex
	about map[string]string            // by row: what the machine says that it is
	cells map[string]map[string]string // by row and column
}

var seen = matrix{about: make(map[string]string), cells: make(map[string]map[string]string)}

// note puts what was seen into a cell.
func (x *matrix) note(t *testing.T, r row, column, format string, args ...any) {
	t.Helper()
	if t.Failed() {
		return // what was seen before a failure proves nothing
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

// missing names the cells of a row that nothing was seen for.
func (x *matrix) missing(r row) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var m []string
	for _, c := range columns {
		if x.cells[r.name()][c] == "" {
			m = append(m, c)
		}
	}
	return m
}

// print writes the matrix with a line for each cell.
func (x *matrix) print(w io.Writer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range rows {
		about := x.about[r.name()]
		if about == "" {
			continue // not run
		}
		fmt.Fprintf(w, "\n**%s**\n\n| case | seen |\n|---|---|\n", about)
		for _, c := range columns {
			cell := x.cells[r.name()][c]
			if cell == "" {
				cell = "NOT SEEN"
			}
			fmt.Fprintf(w, "| %s | %s |\n", c, cell)
		}
	}
	fmt.Fprintln(w)
}

// The matrix stands between these lines.
const (
	openMark = "<!-- seen on whole machines: make test-vm writes what is between -->"
	endMark  = "<!-- end of what make test-vm writes -->"
)

// write puts the matrix in its place in the file called name. All rows must be
// there, with all cells.
func (x *matrix) write(name string, took time.Duration) error {
	for _, r := range rows {
		if m := x.missing(r); len(m) > 0 {
			return fmt.Errorf("not seen on %s: %s", r.name(), strings.Join(m, "; "))
		}
	}
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(old), openMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: no markers", name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\nSeen %s, in %d minutes.\n", before, openMark, time.Now().UTC().Format("2006-01-02"), int(took.Minutes())+1)
	x.print(&b)
	b.WriteString(endMark + after)
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
