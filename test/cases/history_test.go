// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestHistories has logs of other machines that are odd and not damaged.
func TestHistories(t *testing.T) {
	d := func(s string) time.Time { return on("2024-11-20 " + s) }
	kept := logout(":1", 10, d("10:00:00"))
	kept.user = "foo"
	wall := rec{typ: typeUser, line: "~", id: "~~", user: "wall", host: "overheating", at: d("12:59:59")}
	two := []rec{boot(d("08:00:00")), login("a", "pts/0", 1000, d("09:00:00")), shutdown(d("13:00:00"))}
	for _, test := range []struct {
		name          string
		log           []byte
		from, to, end string
	}{
		{"aarch64", aarch64.bytes(two...), "2024-11-20 08:00:00", "2024-11-20 13:00:00", "shut down"},
		{"s390x", s390x.bytes(two...), "2024-11-20 08:00:00", "2024-11-20 13:00:00", "shut down"},
		{"no end recorded", x86.bytes(boot(d("08:00:00")), login("a", "pts/0", 1000, d("09:00:00")), boot(d("12:00:00")), shutdown(d("13:00:00"))), "2024-11-20 08:00:00", "2024-11-20 09:00:00", "crashed"},
		{"logouts with users", x86.bytes(boot(d("08:00:00")), login("foo", ":1", 10, d("09:00:00")), kept, shutdown(d("13:00:00"))), "2024-11-20 08:00:00", "2024-11-20 13:00:00", "shut down"},
		{"wall's records", x86.bytes(boot(d("08:00:00")), wall, shutdown(d("13:00:00")), boot(d("13:05:00"))), "2024-11-20 08:00:00", "2024-11-20 13:00:00", "shut down"},
		{"after 2038", x86.bytes(boot(on("2040-01-01 08:00:00")), login("a", "pts/0", 1000, on("2040-01-01 09:00:00")), shutdown(on("2040-01-02 08:00:00"))), "2040-01-01 08:00:00", "2040-01-02 08:00:00", "shut down"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			h, _ := logOf(t, test.log)
			h.was(t, test.from, test.to, test.end)
		})
	}
}

// TestRotated reads a log and the one before it as one.
func TestRotated(t *testing.T) {
	if !enter(t) {
		return
	}
	dir := os.Getenv(worldEnv)
	older, newer := filepath.Join(dir, "w.1"), filepath.Join(dir, "w")
	if err := os.WriteFile(older, x86.bytes(boot(on("2010-03-10 14:12:00"))), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(newer, x86.bytes(shutdown(on("2010-03-12 01:31:00")), boot(on("2010-03-12 07:42:00")), shutdown(on("2010-03-12 09:37:00"))), 0o644); err != nil {
		t.Fatal(err)
	}
	h, _ := downtime(t, "-f", older, "-f", newer)
	h.was(t, "2010-03-10 14:12:00", "2010-03-12 01:31:00", "shut down")
	h.was(t, "2010-03-12 07:42:00", "2010-03-12 09:37:00", "shut down")
}
