// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
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
USER   HOST       N
alice  host.e…    1
日本   a very…   22
bob             333
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
