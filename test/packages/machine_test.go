// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a private Debian system. Changes stay until the end of the test; each
// command runs in namespaces that end with it.
type machine struct {
	t    *testing.T
	root string
	dir  string // the changes, in upper
}

func newMachine(t *testing.T, root string) *machine {
	t.Helper()
	t.Parallel()
	return another(t, root)
}

// another is a further machine of the same test.
func another(t *testing.T, root string) *machine {
	t.Helper()
	dir, err := os.MkdirTemp(host.dir, "machine-") // its name is part of mount options
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{t: t, root: host.roots[root], dir: dir}
	m.write("/usr/local/bin/packages.test", readFile(t, "/proc/self/exe"), 0o755)
	return m
}

// try runs a shell script there, with this source's packages in /packages, and returns its
// output and its exit status.
func (m *machine) try(script string) (string, int) {
	m.t.Helper()
	return m.command(m.guest("run", "/bin/sh", "-c", "set -eu\n"+script))
}

// sh is try for a script that must succeed.
func (m *machine) sh(script string) string {
	m.t.Helper()
	out, status := m.try(script)
	if status != 0 {
		m.t.Fatalf("status %d of:\n%s\n\nwhich says:\n%s", status, script, out)
	}
	return out
}

func (m *machine) guest(mode string, args ...string) *exec.Cmd {
	cmd := exec.Command("./guest.sh", append([]string{mode, m.root, m.dir}, args...)...)
	cmd.Env = append(os.Environ(), "PACKAGES="+host.dir)
	return cmd
}

func (m *machine) command(cmd *exec.Cmd) (string, int) {
	m.t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	return strings.TrimRight(out.String(), "\n"), cmd.ProcessState.ExitCode()
}

// write writes a file to the machine while nothing runs there.
func (m *machine) write(name string, content []byte, mode os.FileMode) {
	m.t.Helper()
	path := filepath.Join(m.dir, "upper", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		m.t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// one returns the only file that matches a pattern.
func one(t *testing.T, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: %q %v, want one", pattern, names, err)
	}
	return names[0]
}
