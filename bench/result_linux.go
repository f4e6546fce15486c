// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one measured quantity, with the results of every run for each contestant.
type figure struct {
	Case string
	N    int // sessions
	What string
	Unit string
	Runs map[string][]float64
	Goal goal
}

// goal is the goal for utmpd's median: at most a factor of the other's median, or at most a
// difference from it, or at most a number if there is no other.
type goal struct {
	Other string  `json:",omitempty"`
	Times float64 `json:",omitempty"`
	Plus  float64 `json:",omitempty"`
	Most  float64
	Least float64 `json:",omitempty"` // at least this factor of the other's, for rates
}

// figure adds a figure.
func (b *bench) figure(name string, n int, what, unit string, g goal) *figure {
	f := &figure{Case: name, N: n, What: what, Unit: unit, Runs: map[string][]float64{}, Goal: g}
	b.figures = append(b.figures, f)
	return f
}

func (f *figure) add(who string, v float64) { f.Runs[who] = append(f.Runs[who], v) }

// median returns the middle value, or the mean of the two middle values.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// interval returns the mean and its 95 % confidence interval, by Student's t.
func interval(v []float64) (mean, off float64) {
	n := float64(len(v))
	for _, x := range v {
		mean += x / n
	}
	var squares float64
	for _, x := range v {
		squares += (x - mean) * (x - mean)
	}
	t := []float64{0, 0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09}
	if len(v) < 2 {
		return mean, math.Inf(1)
	}
	return mean, t[min(len(v), len(t)-1)] * math.Sqrt(squares/(n-1)/n)
}

// ratio returns the median of the ratios of one contestant to the other, run by run.
func (f *figure) ratio(one, other string) float64 {
	a, b := f.Runs[one], f.Runs[other]
	var r []float64
	for i := range min(len(a), len(b)) {
		r = append(r, a[i]/b[i])
	}
	return median(r)
}

// limit returns the maximum (for a rate, the minimum) that the goal allows.
func (f *figure) limit() (at float64, ok bool) {
	g := f.Goal
	other := median(f.Runs[g.Other])
	switch {
	case g == goal{} || len(f.Runs[ours]) == 0 || g.Other != "" && math.IsNaN(other):
		return 0, false
	case g.Other == "":
		return g.Most, true
	case g.Least > 0:
		return g.Least * other, true
	}
	if g.Plus == 0 {
		return g.Times * other, true
	}
	return max(g.Times*other, other+g.Plus), true
}

// met returns "yes" or "no", or nothing if there is no goal.
func (f *figure) met() string {
	at, ok := f.limit()
	m := median(f.Runs[ours])
	switch {
	case !ok:
		return ""
	case m <= at && f.Goal.Least == 0, m >= at && f.Goal.Least > 0:
		return "yes"
	}
	return "no"
}

// spread formats a median with the minimum and the maximum.
func (f *figure) spread(who string) string {
	v := f.Runs[who]
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%s–%s)", short(median(v)), short(slices.Min(v)), short(slices.Max(v)))
}

// short formats a number with three digits.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// printTable prints a table that is also valid Markdown.
func printTable(w io.Writer, m machine, figures []*figure, took time.Duration) {
	fmt.Fprintf(w, "%s, %d cores, %s, Linux %s; %s, load %s at the start, %.0f s\n\n",
		cmp.Or(m.CPU, "unknown processor"), m.Cores, m.Memory, m.Kernel, m.Date, m.Load, took.Seconds())
	names := []string{ours, floor, floorSync}
	peers := slices.ContainsFunc(figures, func(f *figure) bool { return len(f.Runs[peer]) > 0 })
	if peers {
		names = slices.Insert(names, 1, peer)
	}
	if slices.ContainsFunc(figures, func(f *figure) bool { return len(f.Runs[utilLinux]) > 0 }) {
		names = append(names, utilLinux)
	}
	header := append([]string{"case", "N", "figure"}, names...)
	header = append(header, "to floor", "to reach", "met")
	if peers {
		header = append(header, "peer to utmpd")
	}
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	line := func(cells []string) { fmt.Fprintf(t, "| %s\t\n", strings.Join(cells, "\t ")) }
	line(header)
	line(slices.Repeat([]string{"---"}, len(header)))
	for _, f := range figures {
		if f.Case == "compare" {
			continue // has a table of its own
		}
		cells := []string{f.Case, fmt.Sprint(f.N), f.What + ", " + f.Unit}
		for _, who := range names {
			cells = append(cells, f.spread(who))
		}
		cells = append(cells, f.toFloor(), f.toReach(), f.met())
		if peers {
			cells = append(cells, times(f.ratio(peer, ours)))
		}
		line(cells)
	}
	t.Flush()
}

// toFloor is the ratio to the floor that the goal names.
func (f *figure) toFloor() string {
	return times(f.ratio(ours, f.other()))
}

func (f *figure) toReach() string {
	at, ok := f.limit()
	if !ok {
		return ""
	}
	if f.Goal.Least > 0 {
		return "≥ " + short(at)
	}
	return "≤ " + short(at)
}

func times(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

// writeJSON writes every measurement.
func writeJSON(name string, m machine, figures []*figure) error {
	b, err := json.MarshalIndent(struct {
		Machine machine
		Figures []*figure
	}{m, figures}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}
