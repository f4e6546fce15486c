// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"embed"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// judge runs a program of Debian 12 (who, last, tcc) on the guest's files.
func judge(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Path = name // inside the judge's root
	cmd.Err = nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: judgeRoot}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// who returns the lines that `who FILE` of coreutils prints.
func who(t *testing.T) []string {
	t.Helper()
	return slices.Collect(strings.Lines(judge(t, "/usr/bin/who", utmpFile)))
}

// whoShows reports whether who shows a session on the line.
func whoShows(t *testing.T, line string) bool {
	t.Helper()
	for _, entry := range who(t) {
		if f := strings.Fields(entry); len(f) > 1 && f[1] == line {
			return true
		}
	}
	return false
}

// visit is one session as last shows it.
type visit struct {
	user, line string
	begin, end time.Time // to the second; end is zero without one
	text       string
}

// last returns what `last -f FILE` of util-linux prints, in its order. last shows a
// visit that ends in the current second as "still running"; in that case it is
// called again.
func last(t *testing.T) []visit {
	t.Helper()
	var all []visit
	waitFor(t, generous, "last to show no visit as still running", func() bool {
		all = lastNow(t)
		return !slices.ContainsFunc(all, func(v visit) bool { return strings.HasSuffix(v.text, "still running") })
	})
	return all
}

func lastNow(t *testing.T) []visit {
	t.Helper()
	var all []visit
	for text := range strings.Lines(judge(t, "/usr/bin/last", "-w", "--time-format", "iso", "-f", wtmpFile)) {
		f := strings.Fields(text)
		if len(f) < 3 || f[0] == "reboot" || f[0] == "wtmp" {
			continue
		}
		v := visit{user: f[0], line: f[1], text: strings.TrimSpace(text)}
		for _, word := range f[2:] {
			at, err := time.Parse(time.RFC3339, word)
			switch {
			case err != nil:
			case v.begin.IsZero():
				v.begin = at
			default:
				v.end = at
			}
		}
		all = append(all, v)
	}
	return all
}

//go:embed testdata/*.c
var sources embed.FS

// compile builds testdata/NAME.c with Debian 12's tcc and returns the program's
// path. The program uses the older of the two suites' C libraries.
func compile(t *testing.T, name string) string {
	t.Helper()
	source, err := sources.ReadFile("testdata/" + name + ".c")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join("/run", name)
	if err := os.WriteFile(program+".c", source, 0o644); err != nil {
		t.Fatal(err)
	}
	judge(t, "/usr/bin/tcc", "-Wall", "-Werror", "-o", program, program+".c")
	return program
}
