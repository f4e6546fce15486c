// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"os"
	"testing"
)

func TestCounted(t *testing.T) {
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{ended: make(chan struct{})}
	go c.read(out)
	if _, err := in.WriteString("Trace 0: 0x7f10 [00/1/2/3] main.main\nLinking TBs\nTrace 1: 0x7f11 [00/1/2/3]\nTrace 12: 0x7f12 []\nTrace 0: 0x7f10 []\n"); err != nil {
		t.Fatal(err)
	}
	in.Close()
	<-c.ended
	if program, monitor := c.since(); program != 3 || monitor != 1 {
		t.Errorf("%d and the monitor %d, want 3 and 1", program, monitor)
	}
}

func TestCountTable(t *testing.T) {
	got := countTable([]*figure{
		{What: "a death", Unit: "amd64", Runs: map[string][]float64{ours: {400_000, 500_000, 456_700}}},
		{What: "a death", Unit: "amd64", Runs: map[string][]float64{floor: {9000}}},
		{What: "a login", Unit: "arm", Runs: map[string][]float64{ours: {1_234_567}}},
	})
	want := `| instructions | amd64 | arm64 | arm |
|---|---|---|---|
| a death | 457 k (9000) |  |  |
| a login |  |  | 1235 k |
`
	if got != want {
		t.Errorf("the table is\n%s, want\n%s", got, want)
	}
}
