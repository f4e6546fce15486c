// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"encoding/binary"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// journal is a socket that takes what is sent to the journal.
func journal(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "socket")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, name
}

// receive returns the fields of one entry, by name.
func receive(t *testing.T, c *net.UnixConn) map[string]string {
	t.Helper()
	b, oob := make([]byte, 1<<20), make([]byte, 64)
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, noob, _, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		t.Fatal(err)
	}
	b = b[:n]
	if noob > 0 {
		b = sealed(t, oob[:noob])
	}
	fields := map[string]string{}
	for len(b) > 0 {
		line, rest, _ := strings.Cut(string(b), "\n")
		if name, value, ok := strings.Cut(line, "="); ok {
			fields[name], b = value, []byte(rest)
			continue
		}
		size := binary.LittleEndian.Uint64([]byte(rest))
		fields[line], b = rest[8:8+size], []byte(rest[8+size+1:])
	}
	return fields
}

// sealed returns what a memory file holds that came along, and checks that nobody can
// change it.
func sealed(t *testing.T, oob []byte) []byte {
	t.Helper()
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "memfd")
	defer f.Close()
	const all = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&all != all {
		t.Errorf("seals %#x %v", seals, err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJournal(t *testing.T) {
	c, name := journal(t)
	id := func(m string) string { return map[string]string{"session ended": "abc"}[m] }
	log, j, err := NewJournal(name, "utmpd", slog.LevelInfo, id)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	log.Debug("not logged")
	log.With("file", "wtmp").WithGroup("g").Warn("session ended", "line", "pts/0", "alive until", "12:00", "user", "a\nPRIORITY=0")
	want := map[string]string{
		"PRIORITY": "4", "SYSLOG_FACILITY": "3", "SYSLOG_IDENTIFIER": "utmpd", "MESSAGE_ID": "abc",
		"UTMP_FILE": "wtmp", "UTMP_G_LINE": "pts/0", "UTMP_G_ALIVE_UNTIL": "12:00", "UTMP_G_USER": "a\nPRIORITY=0",
		"MESSAGE": `level=WARN msg="session ended" file=wtmp g.line=pts/0 "g.alive until"=12:00 g.user="a\nPRIORITY=0"`,
	}
	if diff := cmp.Diff(want, receive(t, c)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, _, err := NewJournal(name+".no", "utmpd", slog.LevelInfo, id); err == nil {
		t.Error("no error without a socket")
	}
}

// TestJournalLarge checks that what is too large for a datagram comes whole.
func TestJournalLarge(t *testing.T) {
	c, name := journal(t)
	w, err := dialJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	long := strings.Repeat("x", 64<<20)
	if _, err := w.Write(appendField(nil, "TEXT", long)); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got["TEXT"] != long {
		t.Errorf("a field of %d bytes came as %d", len(long), len(got["TEXT"]))
	}
}

// TestJournalStalls checks that a journal that does not read holds nobody up, and that the
// lines that are lost are counted and told.
func TestJournalStalls(t *testing.T) {
	c, name := journal(t)
	log, j, err := NewJournal(name, "utmpd", slog.LevelInfo, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	text := strings.Repeat("x", 1000)
	for range 2000 {
		log.Info("flood", "text", text) // would hang if it waited
	}
	lost := j.Dropped()
	if lost < 1000 {
		t.Fatalf("%d lines dropped of 2000", lost)
	}
	for range 2001 - lost {
		if got := receive(t, c); strings.Contains(got["MESSAGE"], "log lines lost") {
			return
		}
	}
	t.Error("what was lost is not told")
}

// TestJournalReplaced checks that a journal that was started again gets the next line.
func TestJournalReplaced(t *testing.T) {
	c, name := journal(t)
	log, j, err := NewJournal(name, "utmpd", slog.LevelInfo, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	log.Info("one")
	receive(t, c)
	c.Close()
	log.Info("lost")
	os.Remove(name)
	for j.Dropped() == 0 {
		time.Sleep(time.Millisecond)
	}
	if c, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	log.Info("two")
	if got := receive(t, c); !strings.Contains(got["MESSAGE"], "msg=two") {
		t.Errorf("%v", got)
	}
}

func TestFieldName(t *testing.T) {
	for key, want := range map[string]string{
		"line": "UTMP_LINE", "alive until": "UTMP_ALIVE_UNTIL", "ä=1": "UTMP___1", strings.Repeat("x", 100): "UTMP_" + strings.Repeat("X", 59),
	} {
		if got := fieldName(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
