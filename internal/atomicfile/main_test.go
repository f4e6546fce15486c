// SPDX-License-Identifier: BSD-2-Clause

package atomicfile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/leaktest"
)

// writerEnv makes the test binary a writer of the file that it names.
const writerEnv = "UTMPD_ATOMICFILE_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerEnv); path != "" {
		fmt.Println(beWriter(path))
		os.Exit(1)
	}
	os.Exit(leaktest.Main(m))
}

// beWriter obeys standard input: "write" replaces the file and prints "written";
// "half" writes half a file, prints "half" and waits for the next line.
func beWriter(path string) error {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		err := Write(path, 0o644, func(w io.Writer) error {
			half := content(os.Getpid())[:size/2]
			_, err := io.WriteString(w, half)
			if err == nil && in.Text() == "half" {
				fmt.Println("half")
				in.Scan()
			}
			if err == nil {
				_, err = io.WriteString(w, half)
			}
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println("written")
	}
	return io.EOF
}

const size = 100_000

// content is one byte, size times, so that a mixture of two writers' is seen.
func content(writer int) string { return strings.Repeat(string(rune('a'+writer%26)), size) }

// writer is a process that writes.
type writer struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startWriter(t *testing.T, path string) *writer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{t: t, cmd: exec.Command(self)}
	w.cmd.Env = append(os.Environ(), writerEnv+"="+path)
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	w.out = bufio.NewScanner(out)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kill)
	return w
}

// tell sends a line, and does not wait for the answer.
func (w *writer) tell(line string) { fmt.Fprintln(w.in, line) }

// says waits for a line.
func (w *writer) says(want string) {
	w.t.Helper()
	if !w.out.Scan() || w.out.Text() != want {
		w.t.Errorf("the writer says %q (%v), want %q", w.out.Text(), w.out.Err(), want)
	}
}

func (w *writer) kill() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
	w.in.Close()
}
