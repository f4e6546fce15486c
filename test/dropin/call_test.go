// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/utillinux"
)

var (
	runs  = flag.Int("dropin.n", 0, "how many random calls each test makes (0: its own number)")
	first = flag.Uint64("dropin.seed", 1, "the first seed (0: by chance)")
)

// call is one way to call a program.
type call struct {
	argv  []string
	env   []string
	stdin []byte
}

func (c call) String() string { return fmt.Sprintf("%q with %q", c.argv, c.env) }

// result is what became of a call.
type result struct {
	Status         int
	Stdout, Stderr string
}

// real runs the real program.
func (c call) real(t *testing.T) result {
	t.Helper()
	cmd := exec.Command("/usr/bin/" + filepath.Base(c.argv[0]))
	cmd.Args, cmd.Env, cmd.Stdin = c.argv, append([]string{"PATH=/usr/bin:/bin"}, c.env...), bytes.NewReader(c.stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ours runs the program of this project, as the util-linux of this root.
func (c call) ours() result {
	env := make(map[string]string)
	for _, e := range c.env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	if inside == bookworm {
		env[utillinux.VersionEnv] = "2.38"
	}
	var stdout, stderr bytes.Buffer
	p := utillinux.Program{
		Argv: c.argv, Stdin: bytes.NewReader(c.stdin), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return env[name] }, Now: time.Now,
	}
	status := p.Run()
	return result{status, stdout.String(), stderr.String()}
}

// both runs both, within one second of the clock if possible: who logged out just now counts
// as one who is still there.
func (c call) both(t *testing.T) (want, got result) {
	for range 10 {
		began := time.Now().Unix()
		if want, got = c.real(t), c.ours(); time.Now().Unix() == began {
			break
		}
	}
	return want, got
}

// compare runs both and reports what differs.
func compare(t *testing.T, c call) (want result) {
	t.Helper()
	want, got := c.both(t)
	if diff := cmp.Diff(want, got); diff != "" && !allowed(c, want, got) {
		t.Errorf("%v: (-util-linux +utmpd)\n%s", c, diff)
	}
	return want
}

// random makes n random calls, or as many as -dropin.n says, with seeds that are logged.
// Each has a directory of its own.
func random(t *testing.T, n int, draw func(r *rand.Rand, dir string) call) {
	t.Helper()
	if *runs > 0 {
		n = *runs
	}
	seed := *first
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1000000000
	}
	t.Logf("seeds %d to %d", seed, seed+uint64(n)-1)
	seeds := seedsFrom(seed, n)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		dir, err := os.MkdirTemp("", "files-")
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			defer os.RemoveAll(dir)
			for s := range seeds {
				if t.Failed() {
					continue
				}
				c := draw(rand.New(rand.NewPCG(s, 0)), dir)
				want, got := c.both(t)
				if diff := cmp.Diff(want, got); diff != "" && !allowed(c, want, got) && !t.Failed() {
					show(t, c)
					t.Errorf("%v: (-util-linux +utmpd)\n%s\nrepeat it with -run %s -args -dropin.n 1 -dropin.seed %d", c, diff, t.Name(), s)
				}
			}
		})
	}
	wait.Wait()
}

// show logs the files of a call that was made to repeat a failure.
func show(t *testing.T, c call) {
	if *runs != 1 {
		return
	}
	for _, arg := range c.argv {
		if strings.HasPrefix(arg, "/data/") {
			out, _ := exec.Command("/usr/bin/utmpdump", arg).Output()
			t.Logf("%s:\n%s", arg, out)
		}
	}
}

// seedsFrom sends seeds.
func seedsFrom(seed uint64, n int) <-chan uint64 {
	seeds := make(chan uint64)
	go func() {
		defer close(seeds)
		for i := range uint64(n) {
			seeds <- seed + i
		}
	}()
	return seeds
}
