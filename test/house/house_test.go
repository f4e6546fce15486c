// SPDX-License-Identifier: BSD-2-Clause

// Package house checks the import rules of docs/architecture.md.
package house

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "utmpd.dev/utmpd/"

type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// list returns the output of `go list` for packages.
func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Standard"}, args...)...)
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(bufio.NewReader(bytes.NewReader(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// wiring are the rooms that may import other rooms. All others keep to the public
// packages and the leaves, which any room may import.
var (
	wiring  = []string{"internal/daemon", "internal/ctl"}
	leaves  = []string{"internal/session", "internal/atomicfile", "internal/filelock", "internal/snapshot", "internal/sysfile", "internal/recfile", "internal/openlogins", "internal/logs", "internal/grid", "internal/boots", "internal/ledger", "internal/clock", "internal/notify", "internal/events", "internal/recordjson", "internal/sessions", "internal/glance", "internal/foreign", "internal/lastlog", "internal/utillinux"}
	allowed = map[string][]string{"internal/watcher": {"internal/proc"}}
)

func TestRooms(t *testing.T) {
	seen := 0
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		if slices.Contains(wiring, name) || strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "test/") || strings.HasPrefix(name, "bench/") {
			continue
		}
		seen++
		for _, imp := range p.Imports {
			imp, ours := strings.CutPrefix(imp, module)
			if !ours || !strings.HasPrefix(imp, "internal/") || slices.Contains(leaves, imp) || slices.Contains(allowed[name], imp) {
				continue
			}
			t.Errorf("%s imports %s: rooms import no sibling", name, imp)
		}
	}
	if seen < 10 {
		t.Errorf("only %d rooms looked at", seen)
	}
}

func TestStateMachinesImportUtmpxAlone(t *testing.T) {
	for _, name := range []string{"internal/table", "internal/boots"} {
		for _, p := range list(t, "-deps", "./"+name) {
			if !p.Standard && p.ImportPath != module+name && p.ImportPath != module+"utmpx" && p.ImportPath != module+"internal/snapshot" && p.ImportPath != module+"internal/session" {
				t.Errorf("%s depends on %s", name, p.ImportPath)
			}
		}
	}
}

// The codec does no I/O. The only packages of the standard library that do are those that
// net/netip and fmt import.
func TestUtmpxDoesNoIO(t *testing.T) {
	for _, p := range list(t, "./utmpx") {
		for _, imp := range p.Imports {
			if imp == "os" || imp == "io" || imp == "io/fs" || imp == "net" || imp == "syscall" || strings.HasPrefix(imp, module) || strings.Contains(imp, ".") {
				t.Errorf("utmpx imports %s", imp)
			}
		}
	}
}

// The modules that the programs use besides the standard library. docs/architecture.md
// gives the reason for each.
func TestDependencies(t *testing.T) {
	doc, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for program, may := range map[string][]string{
		"utmpd":   {"golang.org/x/sys", "github.com/godbus/dbus", "github.com/klauspost/compress", "github.com/ulikunitz/xz"},
		"utmpctl": {"golang.org/x/sys", "github.com/klauspost/compress", "github.com/ulikunitz/xz", "github.com/olebedev/when", "github.com/pkg/errors", "github.com/AlekSi/pointer", "github.com/mattn/go-runewidth", "github.com/clipperhouse/uax29"},
	} {
		for _, p := range list(t, "-deps", "./cmd/"+program) {
			if p.Standard || strings.HasPrefix(p.ImportPath, module) {
				continue
			}
			parts := strings.Split(p.ImportPath, "/")
			mod := strings.Join(parts[:min(3, len(parts))], "/")
			if !slices.Contains(may, mod) {
				t.Errorf("%s depends on %s", program, p.ImportPath)
			}
			if !bytes.Contains(doc, []byte(mod)) {
				t.Errorf("docs/architecture.md does not name %s", mod)
			}
		}
	}
}

// The daemon has no listening port and no network: of its packages only sdnotify,
// logging and logind, which use local sockets, import net.
func TestNoNetwork(t *testing.T) {
	for _, p := range list(t, "-deps", "./cmd/utmpd") {
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if ours && slices.Contains(p.Imports, "net") && name != "internal/sdnotify" && name != "internal/logging" && name != "internal/logind" {
			t.Errorf("%s imports net", name)
		}
		if p.ImportPath == "net/http" {
			t.Error("the daemon contains net/http")
		}
	}
}
