// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// damaged are logs of 1 to 5 November 2024 in which records stand off their places.
func damaged() map[string][]byte {
	good := slices.Concat(day("2024-11-01"), day("2024-11-02"))
	rest := slices.Concat(day("2024-11-04"), day("2024-11-05"))
	third := boot(on("2024-11-03 08:00:00"))
	bob := login("bob", "pts/1", 1010, on("2024-11-03 09:00:00"))
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	long := day("2024-11-01")
	for i := range 100 {
		long = append(long, login("alice", "pts/0", 1000, on("2024-11-01 09:00:00").Add(time.Duration(i%60)*time.Minute)))
	}
	x, a := x86.bytes, aarch64.bytes
	return map[string][]byte{
		"a shorter record":         join(a(good...), a(third), x(bob), a(logout("pts/1", 1010, on("2024-11-03 10:00:00"))), a(rest...)),
		"a longer record":          join(x(good...), x(third), a(bob), x(rest...)),
		"torn":                     join(x(good...), x(third), x(bob)[:100], x(rest...)),
		"torn far from the start":  join(x(long...), x(third), x(bob)[:100], x(rest...)),
		"a block of NULs":          join(x(good...), x(third), make([]byte, 4096), x(rest...)),
		"a block of odd length":    join(x(good...), x(third), make([]byte, 1001), x(rest...)),
		"cut off at the beginning": join(x(good...)[500:], x(third), x(rest...)),
	}
}

// TestMisaligned reads logs whose records stand off their places.
func TestMisaligned(t *testing.T) {
	for name, log := range damaged() {
		t.Run(name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			h, _ := logOf(t, log)
			h.was(t, "2024-11-04 08:00:00", "2024-11-04 18:00:00", "shut down")
			h.was(t, "2024-11-05 08:00:00", "2024-11-05 18:00:00", "shut down")
		})
	}
}

// TestMisalignedBoot has the boot helper look at a log with a torn record. The last boot was
// shut down, which stands behind the damage, so no crash is recorded.
func TestMisalignedBoot(t *testing.T) {
	for _, name := range []string{"torn", "torn far from the start", "a longer record"} {
		t.Run(name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			log := damaged()[name]
			w := newWorld(t, nil, log, "BOOT_RECORDS=yes")
			if said := w.bootHelper(t); strings.Contains(said, "crashed") {
				t.Error("a crash was recorded")
			}
			b, err := os.ReadFile(w.wtmp)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(b, log) {
				t.Error("what the log had is not there any more")
			}
		})
	}
}

// TestDamagedHead has 36 records of noise before a thousand good ones.
func TestDamagedHead(t *testing.T) {
	for _, test := range []struct {
		name  string
		bytes int
	}{{"whole records", 36 * 384}, {"a block", 4096}} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			noise := make([]byte, test.bytes)
			random := rand.NewChaCha8([32]byte{1})
			random.Read(noise)
			log := []rec{boot(on("2024-11-20 08:00:00"))}
			for i := range 500 {
				at := on("2024-11-20 08:00:00").Add(time.Duration(i) * 5 * time.Second)
				log = append(log, login("alice", "pts/0", 1000, at), logout("pts/0", 1000, at.Add(time.Hour)))
			}
			session := sleeper(t)
			bob := login("bob", "pts/70", session.Process.Pid, time.Now())
			log = append(log, shutdown(on("2024-11-20 18:00:00")), boot(machineBoot(t)), bob)
			w := newWorld(t, x86.bytes(boot(machineBoot(t)), bob), append(noise, x86.bytes(log...)...))
			h, _ := downtime(t, "-config", w.conf)
			h.was(t, "2024-11-20 08:00:00", "2024-11-20 18:00:00", "shut down")
			d := w.start(t)
			end(t, session)
			w.cleaned(t, session.Process.Pid)
			await(t, "the logout", func() bool {
				b, _ := os.ReadFile(w.wtmp)
				tail := b[len(b)-384:]
				return tail[0] == typeDead && bytes.HasPrefix(tail[8:], []byte("pts/70\x00"))
			})
			await(t, "the report", func() bool { return strings.Contains(d.logged(), "logout=written") })
		})
	}
}

// TestAsManyOddRecords has as many odd records as good ones, or more.
func TestAsManyOddRecords(t *testing.T) {
	at1970 := boot(time.Unix(10, 0))
	for _, test := range []struct {
		name string
		odd  []string
		boot func(*testing.T) []rec
	}{
		{"two, a boot, a ghost", []string{"a control character", "a control character"}, func(t *testing.T) []rec { return []rec{boot(machineBoot(t))} }},
		{"one, a boot of 1970, a ghost", []string{"a negative pid"}, func(*testing.T) []rec { return []rec{at1970} }},
		{"one, no boot, a ghost", []string{"type 42"}, func(*testing.T) []rec { return nil }},
		{"three kinds, a boot, a ghost", []string{"type 42", "a negative pid", "noise as a host"}, func(t *testing.T) []rec { return []rec{boot(machineBoot(t))} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			dead := gone(t)
			file := test.boot(t)
			for _, name := range test.odd {
				file = append(file, odd(dead)[name])
			}
			ghosts(t, append(file, login("bob", "pts/70", dead, time.Now().Add(-10*time.Minute))), 1)
		})
	}
}
