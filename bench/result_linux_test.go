// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

func TestReadingTable(t *testing.T) {
	figures := []*figure{
		{Case: "one", N: 100, What: "to its record", Unit: "ms", Runs: map[string][]float64{ours: {1}}},
		{Case: "read", What: "last", Unit: "s", Goal: goal{Other: utilLinux, Times: 1.0 / 6},
			Runs: map[string][]float64{ours: {0.1, 0.2, 0.12}, utilLinux: {0.8, 0.8, 0.8}}},
		{Case: "read", What: "last: memory", Unit: "MB", Goal: goal{Most: 64}, Runs: map[string][]float64{ours: {14}}},
		{Case: "read", What: "last, 10 sessions", Unit: "s", Goal: goal{Other: utilLinux, Times: 1, Plus: 0.01},
			Runs: map[string][]float64{ours: {0.004}, utilLinux: {0.001}}},
		{Case: "read", What: "check", Unit: "s", Goal: goal{Other: floor, Times: 1.5},
			Runs: map[string][]float64{ours: {0.08}, floor: {0.04}}},
		{Case: "read", What: "check: memory", Unit: "MB", Goal: goal{Most: 64}, Runs: map[string][]float64{ours: {80}}},
		{Case: "read", What: "utmpdump", Unit: "s", Goal: goal{Other: utilLinux, Times: 0.25}, Runs: map[string][]float64{ours: {0.2}}},
		{Case: "read", What: "start of utmpctl", Unit: "s", Goal: goal{Most: 0.01}, Runs: map[string][]float64{ours: {0.003}}},
	}
	name := filepath.Join(t.TempDir(), "md")
	if err := writeReading(name, machine{CPU: "c", Cores: 2, Memory: "1 GB", Kernel: "6.18", Date: "d"}, figures); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := `c, 2 cores, 1 GB, Linux 6.18, d.

| | utmpctl | other | ratio | goal |
|---|---|---|---|---|
| last | 0.120 s | util-linux 0.800 s | 0.15 | ≤ 0.17 |
| last, 10 sessions | 0.004 s | util-linux 0.001 s | 4.00 | ≤ 0.011 s |
| check | **0.080 s** | cat 0.040 s | **2.00** | ≤ 1.50 |
| utmpdump | 0.200 s |  |  |  |
| start of utmpctl | 0.003 s |  |  | ≤ 0.010 s |
| the most memory, check | **80.0 MB** |  |  | ≤ 64.0 MB |
`
	if string(got) != want {
		t.Errorf("the table is\n%s, want\n%s", got, want)
	}
}

// A child starts with the most memory that its parent ever had.
func TestForgetMemory(t *testing.T) {
	// Not Go's memory, of which the race detector keeps a picture that stays.
	big, err := unix.Mmap(-1, 0, 200<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	most := func() int64 {
		cmd := exec.Command("true")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		return int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	}
	if m := most(); m < 200 {
		t.Fatalf("before: %d MB; the test shows nothing", m)
	}
	if err := unix.Munmap(big); err != nil {
		t.Fatal(err)
	}
	if err := forgetMemory(); err != nil {
		t.Fatal(err)
	}
	if m := most(); m > 100 {
		t.Errorf("a child of true has %d MB", m)
	}
}
