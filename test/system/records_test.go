// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"os"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// records returns the whole records of a utmp or wtmp file.
func records(t *testing.T, name string) []utmpx.Record {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l := utmpx.Native()
	var all []utmpx.Record
	for ; len(b) >= l.Size(); b = b[l.Size():] {
		all = append(all, l.Decode(string(b[:l.Size()])))
	}
	return all
}

// entries returns the sessions in utmp.
func entries(t *testing.T) []utmpx.Record {
	t.Helper()
	var users []utmpx.Record
	for _, r := range records(t, utmpFile) {
		if r.Type == utmpx.UserProcess {
			users = append(users, r)
		}
	}
	return users
}
