// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// row is one quantity measured at several numbers of sessions.
type row struct {
	name    string
	figures map[int]*figure
}

// writeShort writes only the medians, with a row for each quantity and a column for each
// number of sessions: utmpd's, in parentheses the floor's, and in bold what misses its goal.
// The last columns are the goal and how the quantity grows.
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
			rows = append(rows, row{what, map[int]*figure{}})
		}
		rows[i].figures[f.N] = f
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
	fmt.Fprintf(&b, " goal | grows as |\n|---|%s---|---|\n", strings.Repeat("---|", len(sizes)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |", r.name)
		var goals []string
		for _, n := range sizes {
			cell := ""
			if f := r.figures[n]; f != nil {
				cell = f.short()
				if g := f.Goal.String(); !slices.Contains(goals, g) {
					goals = append(goals, g)
				}
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		fmt.Fprintf(&b, " %s | %s |\n", strings.Join(goals, ", "), r.growth(sizes))
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

// growth returns the exponent of N by which a quantity grows from some number of sessions to
// ten times as many, the largest for which both are known, and in parentheses the floor's.
func (r row) growth(sizes []int) string {
	for _, n := range slices.Backward(sizes) {
		f, ten := r.figures[n], r.figures[10*n]
		if f == nil || ten == nil {
			continue
		}
		exponent := func(who string) float64 { return math.Log10(median(ten.Runs[who]) / median(f.Runs[who])) }
		s := fmt.Sprintf("N^%.1f", exponent(ours))
		if other := exponent(f.other()); !math.IsNaN(other) {
			s += fmt.Sprintf(" (%.1f)", other)
		}
		return s
	}
	return ""
}

// other is with whom utmpd is compared.
func (f *figure) other() string { return cmp.Or(f.Goal.Other, floor) }

// String says what the goal is.
func (g goal) String() string {
	switch {
	case g == goal{}:
		return ""
	case g.Other == "":
		return "≤ " + short(g.Most)
	case g.Least > 0:
		return fmt.Sprintf("≥ %v × %s", g.Least, g.Other)
	case g.Times == 1:
		return fmt.Sprintf("≤ %s + %v", g.Other, g.Plus)
	case g.Plus > 0:
		return fmt.Sprintf("≤ %v × %s or + %v", g.Times, g.Other, g.Plus)
	}
	return fmt.Sprintf("≤ %v × %s", g.Times, g.Other)
}

// short returns both medians.
func (f *figure) short() string {
	if len(f.Runs[ours]) == 0 {
		return ""
	}
	s := short(median(f.Runs[ours]))
	if f.met() == "no" {
		s = "**" + s + "**"
	}
	if other := f.Runs[f.other()]; len(other) > 0 {
		s += " (" + short(median(other)) + ")"
	}
	return s
}

// writeReading writes what reading a long log takes, and who else reads it: with what it may take
// at most, as a factor of the other's time or in seconds, and in bold what takes more. The most
// memory of all is one row.
func writeReading(name string, m machine, figures []*figure) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, %s, Linux %s, %s.\n\n| | utmpctl | other | ratio | goal |\n|---|---|---|---|---|\n",
		cmp.Or(m.CPU, "unknown processor"), m.Cores, m.Memory, m.Kernel, m.Date)
	var most *figure
	for _, f := range figures {
		if f.Case != "read" {
			continue
		}
		if f.Unit == "MB" {
			if most == nil || median(f.Runs[ours]) > median(most.Runs[ours]) {
				most = f
			}
			continue
		}
		fmt.Fprint(&b, f.reading(f.What))
	}
	if most != nil {
		fmt.Fprint(&b, most.reading("the most memory, "+strings.TrimSuffix(most.What, ": memory")))
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}

// reading is the row of a figure of the case read.
func (f *figure) reading(what string) string {
	other, ratio, goal := "", "", ""
	for _, who := range []string{utilLinux, floor} {
		if v := f.Runs[who]; len(v) > 0 {
			other = fmt.Sprintf("%s %s %s", map[string]string{utilLinux: utilLinux, floor: "cat"}[who], short(median(v)), f.Unit)
			ratio = times(median(f.Runs[ours]) / median(v))
		}
	}
	switch g := f.Goal; {
	case g.Plus > 0:
		goal = f.toReach() + " " + f.Unit
	case g.Times > 0 && other != "":
		goal = "≤ " + times(g.Times)
	case g.Most > 0:
		goal = f.toReach() + " " + f.Unit
	}
	took := short(median(f.Runs[ours])) + " " + f.Unit
	if f.met() == "no" {
		took, ratio = "**"+took+"**", "**"+ratio+"**"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", what, took, other, strings.ReplaceAll(ratio, "****", ""), goal)
}
