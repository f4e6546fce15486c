// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// terminal is a pseudo terminal of 80 columns. seen closes it and returns what was written.
func terminal(t *testing.T) (tty *os.File, seen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	all := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // EIO is its end
		all <- string(b)
	}()
	return tty, func() string {
		tty.Close()
		return <-all
	}
}

// TestTerminal: long work shows on a terminal how far it is, and erases that. What it prints
// in the end is the same wherever it goes, without a control character.
func TestTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "")
	const many = 20000
	var recs []utmpx.Record
	for i := range many {
		r := login("pts/0", int32(i+1), "09:00")
		if i%2 == 1 {
			r.Type, r.PID = utmpx.DeadProcess, int32(i)
		}
		recs = append(recs, r)
	}
	good := encode(t, recs...)
	for _, c := range []struct {
		command string
		content []byte
		status  int
		says    string
	}{
		{"check", good, 0, ""},
		{"check", append(good[:len(good):len(good)], make([]byte, 100)...), 1, "error: a part of a record"},
		{"repair", append(good[:len(good):len(good)], make([]byte, 100)...), 0, "20000 records"},
	} {
		l := newLab(t)
		l.clock = at("12:00")
		on := l.machine()
		on.now = func() time.Time { l.clock = l.clock.Add(300 * time.Millisecond); return l.clock } // a slow disk
		name := l.path("btmp.big")                                                                  // a log that is not this machine's own
		args := []string{c.command, "-as", "wtmpx", "-config", l.path("conf"), name}

		l.write(filepath.Base(name), c.content)
		l.check(os.Chmod(name, 0o660))
		tty, seen := terminal(t)
		var out bytes.Buffer
		if status := run(t.Context(), args, &out, tty, on); status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.command, status, c.status, &out)
		}
		shown := seen()
		if !strings.Contains(shown, " %") || !strings.HasSuffix(shown, "\r\x1b[K") {
			t.Errorf("%s shows %q", c.command, shown)
		}
		for _, line := range strings.Split(shown, "\r\x1b[K") {
			if utf8.RuneCountInString(line) > 79 || strings.Contains(line, "\x1b") || line != "" && !strings.HasPrefix(line, c.command+" "+l.dir[:20]) {
				t.Errorf("%s shows %q", c.command, line)
			}
		}
		if !strings.Contains(out.String(), c.says) || strings.ContainsAny(out.String(), "\x1b\r") {
			t.Errorf("%s prints %q", c.command, &out)
		}

		l.write(filepath.Base(name), c.content)
		var plain, errs bytes.Buffer
		run(t.Context(), args, &plain, &errs, on)
		if errs.Len() > 0 {
			t.Errorf("%s without a terminal says %q", c.command, &errs)
		}
		if c.command == "check" && plain.String() != out.String() {
			t.Errorf("%s prints %q, with the progress on a terminal %q", c.command, &plain, &out)
		}
	}
}

// TestProgressBetween: what check finds, and what report has to say of a log, is a line of its own
// on a terminal that shows how far they are, too.
func TestProgressBetween(t *testing.T) {
	t.Setenv("COLUMNS", "")
	t.Setenv("TZ", "UTC")
	l := newLab(t)
	var recs []utmpx.Record
	for i := range 20000 {
		r := login("pts/0", 900, "09:00")
		r.Time = utmpx.TimeOf(at("00:00").Add(time.Duration(i) * time.Second))
		if i%2 == 1 {
			r.Type = utmpx.DeadProcess
		}
		recs = append(recs, r)
	}
	b := encode(t, recs...)
	late := len(b) - 384*100 // when a part is shown already
	l.write("btmp.big", append(append(b[:late:late], make([]byte, 100)...), b[late:]...))
	l.check(os.Chmod(l.path("btmp.big"), 0o660))
	l.until("12:00")
	on := l.machine()
	on.now = func() time.Time { l.clock = l.clock.Add(300 * time.Millisecond); return l.clock }
	for _, args := range [][]string{
		{"check", "-as", "wtmpx", l.path("btmp.big")},
		{"report", "-since", "2026-07-01", "-until", "2026-07-01 08:00", "-f", l.path("missing"), "-f", l.path("btmp.big")},
	} {
		var plain bytes.Buffer
		run(t.Context(), args, &plain, &plain, on)
		tty, seen := terminal(t)
		run(t.Context(), args, tty, tty, on)
		shown := strings.ReplaceAll(seen(), "\r\n", "\n")
		if !strings.Contains(shown, " %") {
			t.Errorf("%s shows nothing: %q", args[0], shown)
		}
		var lines strings.Builder
		for line := range strings.Lines(shown) {
			lines.WriteString(line[strings.LastIndex(line, "\r")+1:])
		}
		if got := strings.ReplaceAll(lines.String(), "\x1b[K", ""); got != plain.String() || strings.Count(got, "btmp.big") != 1 {
			t.Errorf("%s prints %q, with the progress on a terminal %q", args[0], &plain, got)
		}
	}
}

// TestNothingWrong: on a terminal check says that it found nothing, and a script learns it by
// the status.
func TestNothingWrong(t *testing.T) {
	t.Setenv("COLUMNS", "")
	l := newLab(t)
	l.write("log", encode(t, system(utmpx.BootTime, "reboot", "08:00"), login("pts/0", 7, "09:00"), login("pts/0", 8, "10:00")))
	l.check(os.Chmod(l.path("log"), 0o664))
	args := []string{"check", "-as", "wtmpx", "-config", l.path("conf"), l.path("log")}
	tty, seen := terminal(t)
	if status := run(t.Context(), args, tty, io.Discard, l.machine()); status != 0 {
		t.Errorf("status %d", status)
	}
	if shown := strings.Join(strings.Fields(seen()), " "); !strings.HasPrefix(shown, "nothing is wrong with "+l.path("log")+"; -a shows ") {
		t.Errorf("on a terminal: %q", shown)
	}
	var out bytes.Buffer
	if run(t.Context(), args, &out, io.Discard, l.machine()); out.Len() > 0 {
		t.Errorf("elsewhere: %q", &out)
	}
}
