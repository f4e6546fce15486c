// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// screen is a user at the machine's own screen and keyboard, on the virtual terminal tty1.
type screen struct {
	m       *machine
	monitor net.Conn // of the emulator, which presses the keys
}

func newScreen(m *machine) *screen {
	s := &screen{m, m.dial("monitor")}
	go func() { _, _ = io.Copy(io.Discard, s.monitor) }()
	return s
}

func (s *screen) close() { s.monitor.Close() }

// keys are the names of the keys that are not a letter or a digit.
var keys = map[rune]string{' ': "spc", '-': "minus", '\n': "ret"}

// typeln presses the keys of a line.
func (s *screen) typeln(line string) {
	s.m.t.Helper()
	for _, r := range line + "\n" {
		key := keys[r]
		if key == "" {
			key = string(r)
		}
		if _, err := fmt.Fprintf(s.monitor, "sendkey %s\n", key); err != nil {
			s.m.t.Fatal(err)
		}
	}
}

// expect waits until the last line of the screen ends with s.
func (s *screen) expect(prompt string) {
	s.m.t.Helper()
	s.m.until(fmt.Sprintf("%q on the screen", prompt),
		fmt.Sprintf(`shown=$(fold -w 80 /dev/vcs1 | sed 's/ *$//' | grep . | tail -1); echo "$shown"; case $shown in *"%s") ;; *) false ;; esac`, strings.TrimRight(prompt, " ")))
}

// login logs alice in at the screen.
func (s *screen) login() {
	s.m.t.Helper()
	s.expect("login:")
	s.typeln("alice")
	s.expect("Password:")
	s.typeln("alice")
	s.expect("$")
}
