// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLinePath(t *testing.T) {
	for _, test := range []struct {
		name, line, want string
	}{
		{"pty", "pts/3", "/dev/pts/3"},
		{"console", "tty1", "/dev/tty1"},
		{"display", ":0", "/dev/:0"},
		{"dots in a name", "vsftpd..1", "/dev/vsftpd..1"},
		{"empty", "", ""},
		{"absolute", "/etc/passwd", ""},
		{"parent", "..", ""},
		{"parent within", "pts/../../etc", ""},
		{"parent at the end", "pts/..", ""},
		{"this", "./tty1", ""},
		{"double slash", "pts//3", ""},
		{"slash at the end", "pts/", ""},
		{"NUL", "tty1\x00", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := linePath(test.line)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("linePath(%q) = %q, %v, want %q", test.line, got, ok, test.want)
			}
		})
	}
}

func TestRaiseLimit(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &before) })
	low := before
	low.Cur = 64
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		want, got int
	}{
		{"enough already", 10, 64},
		{"negative", -1, 64},
		{"soft to less than hard", 100, 100},
		{"never lowered", 99, 100},
		{"soft to hard", int(before.Max), int(before.Max)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := RaiseLimit(test.want)
			if got != test.got || err != nil {
				t.Errorf("RaiseLimit(%d) = %d, %v, want %d", test.want, got, err, test.got)
			}
		})
	}
	t.Run("more than there can be", func(t *testing.T) {
		const want = math.MaxInt32 // above any nr_open
		got, err := RaiseLimit(want)
		if got >= want || got < int(before.Max) || err == nil || !strings.Contains(err.Error(), "2147483647") {
			t.Errorf("RaiseLimit = %d, %v", got, err)
		}
	})
}

func TestBoot(t *testing.T) {
	id, err := BootID()
	if err != nil || len(id) < 10 || strings.TrimSpace(id) != id {
		t.Errorf("BootID() = %q, %v", id, err)
	}
	now := time.Now()
	boot := Boot(now)
	if !boot.Before(now) {
		t.Errorf("Boot(%v) = %v, want an earlier time", now, boot)
	}
	self, err := Find(int32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	// This process started a moment ago, so it must have by Boot's time too.
	if age := now.Sub(boot.Add(self.ID().SinceBoot())); age < -time.Second || age > 20*time.Minute {
		t.Errorf("this process started %v ago", age)
	}
}
