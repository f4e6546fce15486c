// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// results is the table of programs and cases with the results of the run, on the
// machine.
type results struct {
	mu    sync.Mutex
	cells map[string][]string // by cellName: one word for each way that passed or failed
	notes map[string][]string // by test: what it reported from its guest
}

var table = results{cells: make(map[string][]string), notes: make(map[string][]string)}

func cellName(program string, s suite, name string) string {
	return program + "/" + string(s) + "/" + name
}

// add records the result of one way of a cell.
func (r *results) add(program string, s suite, name string, t *testing.T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	word := "ok"
	if t.Failed() {
		word = "FAILED"
	}
	word += " " + strings.Join(r.notes[t.Name()], " ")
	cell := cellName(program, s, name)
	r.cells[cell] = append(r.cells[cell], strings.TrimSpace(word))
}

// requireAll fails if a cell has fewer results than ways, or neither ways nor a
// reason. It does nothing if the run selects only some of the table's tests.
func (r *results) requireAll(t *testing.T) {
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") || flag.Lookup("test.skip").Value.String() != "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range programs {
		for _, s := range suites {
			for _, name := range cases {
				ways, why := programs[i].cell(s, name)
				cell := cellName(programs[i].name, s, name)
				switch {
				case len(ways) == 0 && why == "":
					t.Errorf("the table has no way and no reason for %s", cell)
				case len(r.cells[cell]) != len(ways):
					t.Errorf("%s has %d results of %d", cell, len(r.cells[cell]), len(ways))
				}
			}
		}
	}
}

// print writes the table, followed by the reasons.
func (r *results) print(out io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.printTrees(out)
	if len(r.cells) == 0 {
		return
	}
	var reasons []string
	note := func(why string) string {
		for i, have := range reasons {
			if have == why {
				return fmt.Sprintf("– (%d)", i+1)
			}
		}
		reasons = append(reasons, why)
		return fmt.Sprintf("– (%d)", len(reasons))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nprogram\tDebian")
	for _, name := range cases {
		fmt.Fprintf(w, "\t%s", name)
	}
	fmt.Fprintln(w)
	for i := range programs {
		for _, s := range suites {
			fmt.Fprintf(w, "%s\t%s", programs[i].name, strings.TrimPrefix(s.title(), "Debian "))
			for _, name := range cases {
				ways, why := programs[i].cell(s, name)
				text := summary(r.cells[cellName(programs[i].name, s, name)], len(ways))
				if len(ways) == 0 {
					text = note(why)
				}
				fmt.Fprintf(w, "\t%s", text)
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	for i, why := range reasons {
		fmt.Fprintf(out, "(%d) %s\n", i+1, why)
	}
	fmt.Fprintln(out, "killed, ut_pid killed: seconds from the session's end until who stops showing it; ended: the same logouts with and without utmpd.")
}

// printTrees writes what became of the sessions of [TestTrees]: the seconds from each end until
// who did not show it any more.
func (r *results) printTrees(out io.Writer) {
	for _, p := range trees {
		for _, s := range p.suites() {
			if words := r.notes["TestTrees/"+testName(p.in(s))]; words != nil {
				fmt.Fprintf(out, "%-20s %s\n", p.in(s), strings.Join(words, "  "))
			}
		}
	}
}

// testName is the name of a subtest in that of the test.
func testName(name string) string { return strings.ReplaceAll(name, " ", "_") }

// summary describes a cell in a few words.
func summary(words []string, ways int) string {
	worst, failed := "", 0
	for _, word := range words {
		state, figure, _ := strings.Cut(word, " ")
		if state != "ok" {
			failed++
		}
		worst = max(worst, figure)
	}
	switch {
	case len(words) == 0:
		return "not run"
	case failed > 0:
		return fmt.Sprintf("FAILED %d of %d", failed, ways)
	}
	return strings.TrimSpace(fmt.Sprintf("ok %d/%d %s", len(words), ways, worst))
}

// report passes a figure from inside a guest to the table.
func report(format string, args ...any) {
	fmt.Fprintf(reports(), format+"\n", args...)
}

var reports = sync.OnceValue(func() *os.File { return os.NewFile(3, "reports") })

// note records what a guest reported.
func (r *results) note(test string, reported []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes[test] = append(r.notes[test], strings.Fields(string(reported))...)
}
