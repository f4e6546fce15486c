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
	if _, err := in.WriteString(`----------------
IN: main.main
0x0047b400:  48 c7 84 24 90 00 00 00  movq     $0x123, 0x90(%rsp)
0x0047b408:  23 01 00 00
0x0047b40c:  c3                       retq

Trace 0: 0x7fd7d0000100 [0000000000000000/000000000047b400/1040c0b3/00000200] main.main
Trace 1: 0x7fd7d0000100 [0000000000000000/000000000047b400/1040c0b3/00000200] main.main
----------------
IN:
0x0009dd0c:  e3a07014  mov      r7, #0x14
0x0009dd10:  ef000000  svc      #0
0x0009dd14:  eafff708  b        #0x9b940

Trace 12: 0x7f70a00001c0 [00000480/0009dd0c/00000000/00000200]
Linking TBs
Trace 0: 0x7fd7d0000100 [0000000000000000/000000000047b400/1040c0b3/00000200] main.main
`); err != nil {
		t.Fatal(err)
	}
	in.Close()
	<-c.ended
	if program, monitor := c.since(); program != 7 || monitor != 2 {
		t.Errorf("%d and the monitor %d, want 7 and 2", program, monitor)
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
