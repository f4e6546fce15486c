// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name string
		of   []float64
		want float64
	}{
		{"one", []float64{3}, 3},
		{"odd", []float64{9, 1, 4}, 4},
		{"even", []float64{9, 1, 4, 6}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := median(tt.of); got != tt.want {
				t.Errorf("median %v, want %v", got, tt.want)
			}
		})
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("the median of no values is %v, want NaN", got)
	}
}

func TestInterval(t *testing.T) {
	mean, off := interval([]float64{1, 2, 3, 4})
	if mean != 2.5 || math.Abs(off-3.18*1.2910/2) > 0.001 {
		t.Errorf("%v ± %v", mean, off)
	}
}

func TestGoals(t *testing.T) {
	runs := func(us, them float64) map[string][]float64 {
		return map[string][]float64{ours: {us}, floor: {them}}
	}
	for _, tt := range []struct {
		name  string
		goal  goal
		runs  map[string][]float64
		limit string
		met   string
	}{
		{"times", goal{Other: floor, Times: 1.5}, runs(1.4, 1), "≤ 1.50", "yes"},
		{"times too many", goal{Other: floor, Times: 1.5}, runs(1.6, 1), "≤ 1.50", "no"},
		{"or a little more", goal{Other: floor, Times: 1.5, Plus: 0.5}, runs(0.6, 0.2), "≤ 0.700", "yes"},
		{"a number", goal{Most: 2}, runs(2.1, 0), "≤ 2.00", "no"},
		{"a rate", goal{Other: floor, Least: 0.5}, runs(60, 100), "≥ 50.0", "yes"},
		{"a low rate", goal{Other: floor, Least: 0.5}, runs(40, 100), "≥ 50.0", "no"},
		{"none", goal{}, runs(1, 1), "", ""},
		{"no floor measured", goal{Other: floorSync, Times: 2}, runs(1, 1), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &figure{Goal: tt.goal, Runs: tt.runs}
			if f.toReach() != tt.limit || f.met() != tt.met {
				t.Errorf("%q %q, want %q %q", f.toReach(), f.met(), tt.limit, tt.met)
			}
		})
	}
}

func TestTable(t *testing.T) {
	f := &figure{Case: "one", N: 100, What: "to its record", Unit: "ms", Goal: goal{Other: floor, Times: 1.5},
		Runs: map[string][]float64{ours: {0.3, 0.2, 0.4}, floor: {0.2, 0.2, 0.25}}}
	var b strings.Builder
	printTable(&b, machine{CPU: "c", Cores: 2, Memory: "1 GB", Kernel: "6.18", Date: "d", Load: "0.1"}, []*figure{f}, time.Minute)
	want := `c, 2 cores, 1 GB, Linux 6.18; d, load 0.1 at the start, 60 s

| case | N   | figure            | utmpd               | floor               | floor+sync | to floor | to reach | met |
| ---  | --- | ---               | ---                 | ---                 | ---        | ---      | ---      | --- |
| one  | 100 | to its record, ms | 0.300 (0.200–0.400) | 0.200 (0.200–0.250) | –          | 1.50     | ≤ 0.300  | yes |
`
	if b.String() != want {
		t.Errorf("the table is\n%s, want\n%s", b.String(), want)
	}
}
