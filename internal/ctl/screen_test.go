// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, in, ascii, unicode string }{
		{"plain", "alice", "alice", "alice"},
		{"escape", "a\x1b[2Jb\n\x7f", `a\x1b[2Jb\x0a\x7f`, `a\x1b[2Jb\x0a\x7f`},
		{"letters", "Müller", `M\xc3\xbcller`, "Müller"},
		{"not UTF-8", "M\xfcller", `M\xfcller`, `M\xfcller`},
		{"8-bit control", "a\u009bb", `a\xc2\x9bb`, `a\xc2\x9bb`},
		{"turns the line round", "a\u202eb", `a\xe2\x80\xaeb`, `a\xe2\x80\xaeb`},
	} {
		if got := (screen{}).text(c.in); got != c.ascii {
			t.Errorf("%s: %q, want %q", c.name, got, c.ascii)
		}
		if got := (screen{unicode: true}).text(c.in); got != c.unicode {
			t.Errorf("%s: %q, want %q in UTF-8", c.name, got, c.unicode)
		}
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{
		{"alice", "host.example.org", "1"},
		{"日本", "a very long name of a host.example.org", "22"},
		{"bob", "", "333"},
	}
	for _, c := range []struct {
		name string
		on   screen
		want string
	}{
		{"no limit", screen{unicode: true}, `
USER   HOST                                      N
alice  host.example.org                          1
日本   a very long name of a host.example.org   22
bob                                            333
`},
		{"ASCII", screen{width: 20}, `
USER    HOST       N
alice   host.e+    1
日本  a very+   22
bob              333
`},
		{"narrow", screen{unicode: true, width: 30}, `
USER   HOST                  N
alice  host.example.org      1
日本   a very long name …   22
bob                        333
`},
		{"narrower than it can be", screen{width: 5, unicode: true}, `
USER…
alic…
日本…
bob …
`},
		{"the same, ASCII", screen{width: 17}, `
USER    HOST    +
alice   host.e+ +
日本  a very+ +
bob             +
`},
	} {
		var b strings.Builder
		tab := c.on.table(&b, column{name: "USER"}, column{name: "HOST", least: 7}, column{name: "N", right: true})
		for _, r := range rows {
			tab.row(r...)
		}
		if err := tab.flush(); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, "\n"+b.String()); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, d)
		}
	}
}

// A long table has the widths of its first rows, and cuts nothing off that has no limit.
func TestLongTable(t *testing.T) {
	var b strings.Builder
	tab := screen{}.table(&b, column{name: "A"}, column{name: "B"})
	for range tableFirst {
		tab.row("x", "y")
	}
	if n := strings.Count(b.String(), "\n"); n != tableFirst+1 {
		t.Errorf("%d lines after %d rows", n, tableFirst)
	}
	tab.row("longer", "z")
	if err := tab.flush(); err != nil || !strings.HasSuffix(b.String(), "x  y\nlonger  z\n") {
		t.Errorf("%v %q", err, b.String()[b.Len()-20:])
	}
}

// TestPlace: a row that is put on a line of blanks is as one that is made cell by cell.
func TestPlace(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	placed := 0
	for range 20000 {
		tab := screen{width: random.IntN(40), unicode: random.IntN(2) == 0}.table(io.Discard,
			column{name: "A", least: 3}, column{name: "B", right: true}, column{name: "C", least: random.IntN(5)}, column{name: "D"})
		for range 4 {
			for range tab.cols {
				for range random.IntN(9) {
					tab.now.text = append(tab.now.text, []string{" ", "x", "y", "z", "ü"}[random.IntN(5)]...)
				}
				tab.now.end()
			}
			tab.add()
			if tab.widths == nil {
				tab.begin()
			}
			if random.IntN(2) == 0 {
				tab.now.text = bytes.ReplaceAll(tab.now.text, []byte("ü"), []byte("uu"))
			}
			if b, ok := tab.place(nil, &tab.now); ok {
				placed++
				if want := tab.fill(nil, &tab.now); !bytes.Equal(b, want) {
					t.Fatalf("%q, want %q", b, want)
				}
			}
			tab.now.reset()
		}
	}
	if placed == 0 {
		t.Error("no row was placed")
	}
}
