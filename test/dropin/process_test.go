// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/utillinux"
)

// programs are the real program and ours, as files, by the same name.
func programs(t *testing.T, name string) map[string]string {
	t.Helper()
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink("/data/utmpctl", link); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"real": "/usr/bin/" + name, "ours": link}
}

// command makes a command that is called by the program's name.
func command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Args[0] = filepath.Base(program)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=Europe/Berlin"}
	if inside == bookworm {
		cmd.Env = append(cmd.Env, utillinux.VersionEnv+"=2.38")
	}
	return cmd
}

// TestProcess compares what only processes show: standard files, a full disk, the program
// that a link leads to.
func TestProcess(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 0))
	b := log(r, 3000)
	f := write(t.TempDir(), "f", b)
	for _, c := range []struct {
		name    string
		program string
		args    []string
		stdin   []byte // through a pipe
		full    bool   // standard output is a full disk
	}{
		{"last", "last", []string{"-f", f}, nil, false},
		{"lastb", "lastb", []string{"-F", "-f", f}, nil, false},
		{"the machine's log", "last", nil, nil, false},
		{"last of a pipe", "last", []string{"-f", "/dev/stdin"}, b, false},
		{"last to a full disk", "last", []string{"-f", f}, nil, true},
		{"dump of a pipe", "utmpdump", nil, b, false},
		{"dump of an empty pipe", "utmpdump", nil, []byte{}, false},
		{"dump to a full disk", "utmpdump", []string{f}, nil, true},
		{"undump to a full disk", "utmpdump", []string{"-r"}, lines(r), true},
		{"wrong option", "last", []string{"-z"}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			results := make(map[string]result)
			for who, program := range programs(t, c.program) {
				cmd := command(program, c.args...)
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				if c.stdin != nil {
					cmd.Stdin = bytes.NewReader(c.stdin)
				}
				if c.full {
					full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer full.Close()
					cmd.Stdout = full
				}
				_ = cmd.Run() // its status is compared
				results[who] = result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
			}
			of := call{argv: []string{c.program}}
			if diff := cmp.Diff(results["real"], results["ours"]); diff != "" && !allowed(of, results["real"], results["ours"]) {
				t.Errorf("(-util-linux +utmpd)\n%s", diff)
			}
		})
	}
}

// TestOutput compares the files that -o makes.
func TestOutput(t *testing.T) {
	dir := t.TempDir()
	f := write(dir, "f", log(rand.New(rand.NewPCG(5, 0)), 100))
	made := make(map[string]string)
	for who, program := range programs(t, "utmpdump") {
		text, records := filepath.Join(dir, who+".text"), filepath.Join(dir, who+".records")
		for _, args := range [][]string{{"-o", text, f}, {"-r", "-o", records, text}} {
			if out, err := command(program, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s %q: %v\n%s", program, args, err, out)
			}
		}
		for _, name := range []string{text, records} {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			made[who] += string(b)
		}
	}
	if diff := cmp.Diff(made["real"], made["ours"]); diff != "" || len(made["real"]) < 1000 {
		t.Errorf("(-util-linux +utmpd)\n%s", diff)
	}
}

// TestFollow appends to a file that is followed, renames it, and compares what was printed
// until the program ended.
func TestFollow(t *testing.T) {
	printed := make(map[string]string)
	for who, program := range programs(t, "utmpdump") {
		r := rand.New(rand.NewPCG(6, 0))
		dir := t.TempDir()
		var b []byte
		for range 15 {
			b = append(b, record(r, 1700000000).bytes()...)
		}
		f := write(dir, "f", b)
		cmd := command(program, "-f", "f")
		cmd.Dir = dir
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf, out := make([]byte, 4096), ""
		until := func(lines int) {
			for strings.Count(out, "\n") < lines {
				n, err := stdout.Read(buf)
				if out += string(buf[:n]); err != nil {
					t.Fatalf("%s ended after %q: %v", who, out, err)
				}
			}
		}
		until(10)
		for i := range 3 {
			file, err := os.OpenFile(f, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.Write(record(r, 1700000000).bytes()); err != nil {
				t.Fatal(err)
			}
			file.Close()
			until(11 + i)
		}
		if err := os.Rename(f, f+".1"); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(stdout)
		// The real one may fail here: see "utmpdump -f" in the differences.
		if err := cmd.Wait(); err != nil && who == "ours" {
			t.Errorf("it ends with %v\n%s", err, &stderr)
		}
		printed[who] = out + string(rest)
	}
	if diff := cmp.Diff(printed["real"], printed["ours"]); diff != "" {
		t.Errorf("(-util-linux +utmpd)\n%s", diff)
	}
}
