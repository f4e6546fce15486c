// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// ran runs utmpctl and returns what it prints. It must succeed.
func ran(t testing.TB, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), args, &stdout, &stderr, thisMachine()); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("%q: status %d, stderr %q", args, code, stderr.String())
	}
	return stdout.Bytes()
}

// undumped is the way of some bytes, in a file of that name, through dump and undump. The
// layout is forced, so that all of them are records.
func undumped(t testing.TB, l *utmpx.Layout, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	lines := ran(t, "dump", "-layout", l.Name(), name)
	if err := os.WriteFile(name+".lines", lines, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := ran(t, "undump", "-to", l.Name(), name+".lines"); !bytes.Equal(got, b) {
		t.Errorf("%s: %q comes back as %q", l, b, got)
	}
	if got := ran(t, "dump", "-layout", l.Name(), "-to", l.Name(), name); !bytes.Equal(got, b) {
		t.Errorf("%s: %q is converted to itself as %q", l, b, got)
	}
}

// TestLayoutsDescribed: utmpd-files(5) describes each layout that an option may name.
func TestLayoutsDescribed(t *testing.T) {
	page, err := os.ReadFile("../../man/utmpd-files.5")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n.Sh LAYOUTS\n")
	section, _, _ = strings.Cut(section, "\n.Sh ")
	words := strings.Fields(section)
	for _, name := range outputNames() {
		if !slices.Contains(words, name) {
			t.Errorf("utmpd-files(5) does not describe the layout %s", name)
		}
	}
}

// TestDumpGolden: the files of all systems go through dump and undump unchanged.
func TestDumpGolden(t *testing.T) {
	for _, l := range utmpx.Layouts() {
		b, err := os.ReadFile("../../utmpx/testdata/" + l.Name() + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		undumped(t, l, filepath.Join(t.TempDir(), "wtmp"), b)
	}
}

// TestDumpForeign: any bytes of the layouts of other systems do, too.
func TestDumpForeign(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, l := range utmpx.Foreign() {
		b := make([]byte, 20*l.Size())
		for i := l.Size(); i < len(b); i++ {
			if i < 5*l.Size() || rnd.IntN(6) == 0 {
				b[i] = byte(rnd.UintN(256))
			}
		}
		name := filepath.Join(t.TempDir(), "wtmp")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		lines := ran(t, "dump", "-layout", l.Name(), name)
		if err := os.WriteFile(name+".lines", lines, 0o600); err != nil {
			t.Fatal(err)
		}
		got := ran(t, "undump", "-to", l.Name(), name+".lines")
		if !bytes.HasSuffix(got, b) || len(got) > len(b)+l.Size() {
			t.Errorf("%s: %q comes back as %q", l, b, got)
		}
	}
}

// FuzzDump: undump makes of dump's lines the bytes that dump has read, for any bytes of
// whole records in each layout.
func FuzzDump(f *testing.F) {
	f.Add(encode(f, login("pts/0", 7, "08:00")))
	f.Add(bytes.Repeat([]byte("\x07\x00\xff"), 300))
	f.Add([]byte{})
	name := filepath.Join(f.TempDir(), "wtmp")
	f.Fuzz(func(t *testing.T, b []byte) {
		layouts := utmpx.Layouts()
		l := layouts[len(b)%len(layouts)] // one for each input: all of them take minutes
		undumped(t, l, name, b[:len(b)-len(b)%l.Size()])
	})
}
