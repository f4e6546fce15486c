// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package libc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// machinesEnv names a directory of programs compiled by ../arch/compile.sh.
const machinesEnv = "UTMPD_LIBC_MACHINES"

// patience limits every program; one that hangs fails its test.
const patience = time.Minute

// machine is a C library and the way to run its programs.
type machine struct {
	name   string
	layout *utmpx.Layout
	run    []string // prefix of a command: an emulator or a dynamic linker
	libc   string   // the program, "" if there is none
	show   string   // layout, the other program
	slow   bool     // emulated
	needs  []string // directories of the machine that the programs need
}

// findMachines returns the machines of machinesEnv, or compiles programs for those of
// ../rootfs in dir. Its error names what is missing.
func findMachines(dir string) ([]machine, error) {
	if from := os.Getenv(machinesEnv); from != "" {
		return compiledMachines(from)
	}
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("the root file systems are Linux's; this is %s", runtime.GOOS)
	}
	roots := make(map[string]root)
	for _, suite := range []string{"bookworm", "trixie"} {
		r, err := findRoot(suite)
		if err != nil {
			return nil, err
		}
		roots[suite] = r
	}
	m := machine{
		layout: utmpx.Native(),
		libc:   filepath.Join(dir, "libc"), show: filepath.Join(dir, "layout"),
	}
	for _, program := range []string{m.libc, m.show} {
		if err := roots["bookworm"].compile(program, "testdata/"+filepath.Base(program)+".c"); err != nil {
			return nil, err
		}
	}
	var all []machine
	for _, suite := range []string{"bookworm", "trixie"} {
		m.name, m.run = suite, roots[suite].run()
		m.needs = []string{dir, roots[suite].lib}
		all = append(all, m)
	}
	return all, nil
}

func compiledMachines(dir string) ([]machine, error) {
	list, err := os.ReadFile(filepath.Join(dir, "machines"))
	if err != nil {
		return nil, err
	}
	var all []machine
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line)
		m := machine{name: f[0], show: filepath.Join(dir, f[0], "layout"), needs: []string{dir}}
		if m.layout, err = utmpx.ByName(f[1]); err != nil {
			return nil, err
		}
		if emulator := f[2]; emulator != "-" {
			m.run, m.slow = []string{emulator}, true
			m.needs = append(m.needs, filepath.Dir(emulator))
		}
		if libc := filepath.Join(dir, f[0], "libc"); !strings.HasPrefix(m.name, "musl") {
			m.libc = libc
		}
		all = append(all, m)
	}
	return all, nil
}

// root is a Debian root file system. Its programs run outside it with its own dynamic
// linker.
type root struct{ dir, lib, linker string }

func findRoot(suite string) (root, error) {
	var out, why bytes.Buffer
	cmd := exec.Command("../rootfs/rootfs.sh", suite)
	cmd.Stdout, cmd.Stderr = &out, &why
	if err := cmd.Run(); err != nil {
		return root{}, fmt.Errorf("no root file system of %s: %s", suite, strings.TrimSpace(why.String()))
	}
	r := root{dir: strings.TrimSpace(out.String())}
	found, err := filepath.Glob(r.dir + "/usr/lib/*-linux-gnu*/ld-linux*.so.*")
	if err != nil || len(found) != 1 {
		return root{}, fmt.Errorf("dynamic linkers in %s: %q, %v; want one", r.dir, found, err)
	}
	r.linker, r.lib = found[0], filepath.Dir(found[0])
	return r, nil
}

func (r root) run() []string { return []string{r.linker, "--library-path", r.lib} }

// compile compiles a program with the root's tcc. It passes all directories, because tcc
// would look in the machine's own.
func (r root) compile(program, source string) error {
	lib := func(name string) string { return filepath.Join(r.lib, name) }
	include := r.dir + "/usr/include"
	args := append(r.run(), r.dir+"/usr/bin/tcc", "-Wall", "-Werror", "-nostdinc", "-nostdlib",
		"-I"+include, "-I"+filepath.Join(include, filepath.Base(r.lib)), "-I"+lib("tcc/include"),
		"-o", program, lib("crt1.o"), lib("crti.o"), source,
		lib("libc.so.6"), lib("tcc/libtcc1.a"), lib("crtn.o"))
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("compile %s in %s: %w\n%s", source, r.dir, err, out)
	}
	return nil
}

// process is a running C program.
type process struct {
	*exec.Cmd
	in   io.WriteCloser
	out  io.ReadCloser
	errs bytes.Buffer

	stop context.CancelFunc
	once sync.Once
	err  error
}

// command starts a command of testdata/libc.c. Standard input stays open until it is closed.
// The caller waits for the command.
func (m machine) command(args ...string) (*process, error) {
	return startCommand(append(append(m.run[:len(m.run):len(m.run)], m.libc), args...), nil)
}

// startCommand starts a program with a terminal as its standard input, or with a pipe if
// that is nil.
func startCommand(args []string, terminal *os.File) (*process, error) {
	// Not the test's own context, so that a cleanup can still end programs in order.
	ctx, stop := context.WithTimeout(context.Background(), patience)
	p := &process{Cmd: exec.CommandContext(ctx, args[0], args[1:]...), stop: stop}
	p.Stderr = &p.errs
	p.in = terminal
	var err, err2 error
	if terminal != nil {
		p.Stdin = terminal
	} else {
		p.in, err = p.StdinPipe()
	}
	p.out, err2 = p.StdoutPipe()
	if err := errors.Join(err, err2, p.Start()); err != nil {
		stop()
		return nil, err
	}
	return p, nil
}

// start is command for a program that ends with the test at the latest.
func (m machine) start(t *testing.T, args ...string) *process {
	t.Helper()
	p, err := m.command(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.wait() })
	return p
}

// wait closes standard input, discards the rest of the output and returns how the program
// ended.
func (p *process) wait() error {
	p.once.Do(func() {
		defer p.stop()
		p.in.Close()
		io.Copy(io.Discard, p.out)
		if err := p.Wait(); err != nil {
			p.err = fmt.Errorf("%q: %w\n%s", p.Args, err, &p.errs)
		}
	})
	return p.err
}

// feed runs a command with bytes as its standard input.
func (m machine) feed(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	p := m.start(t, args...)
	wrote := make(chan error, 1)
	go func() {
		_, err := p.in.Write(in)
		wrote <- errors.Join(err, p.in.Close())
	}()
	out, err := io.ReadAll(p.out)
	unsent := <-wrote
	if err := errors.Join(p.wait(), unsent, err); err != nil {
		t.Fatal(err)
	}
	return out
}
