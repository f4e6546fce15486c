// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// row is one quantity measured at several numbers of sessions.
type row struct {
	name  string
	cells map[int]string
}

// writeShort writes only the medians, with a row for each quantity and a column for each
// number of sessions: utmpd's, and in parentheses the floor's.
func writeShort(name string, m machine, figures []*figure) error {
	var rows []row
	var sizes []int
	for _, f := range figures {
		if slices.Contains([]string{"wtmp", "read", "compare"}, f.Case) {
			continue // does not depend on the number of sessions
		}
		what, _, _ := strings.Cut(f.What, " (")
		what = fmt.Sprintf("%s: %s, %s", f.Case, what, f.Unit)
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == what })
		if i < 0 {
			i = len(rows)
			rows = append(rows, row{what, map[int]string{}})
		}
		rows[i].cells[f.N] = f.short()
		if !slices.Contains(sizes, f.N) {
			sizes = append(sizes, f.N)
		}
	}
	slices.Sort(sizes)
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, %s, Linux %s, %s.\n\n| sessions |", cmp.Or(m.CPU, "unknown processor"), m.Cores, m.Memory, m.Kernel, m.Date)
	for _, n := range sizes {
		fmt.Fprintf(&b, " %d |", n)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("---|", len(sizes)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |", r.name)
		for _, n := range sizes {
			fmt.Fprintf(&b, " %s |", r.cells[n])
		}
		fmt.Fprintln(&b)
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

// short formats the median and the floor's median in parentheses.
func (f *figure) short() string {
	if len(f.Runs[ours]) == 0 {
		return ""
	}
	s := short(median(f.Runs[ours]))
	if other := f.Runs[cmp.Or(f.Goal.Other, floor)]; len(other) > 0 {
		s += " (" + short(median(other)) + ")"
	}
	return s
}
