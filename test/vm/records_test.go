// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

const (
	utmpFile = "/run/utmp"
	wtmpFile = "/var/log/wtmp"
)

// records reads the records of a file in the guest.
func (m *machine) records(name string) []utmpx.Record {
	m.t.Helper()
	data := m.sh("cat %s | base64 -w0", name)
	b := decode64(m.t, data)
	l := utmpx.Glibc384LE
	if len(b)%l.Size() != 0 {
		m.t.Errorf("%s has %d bytes, no whole number of records", name, len(b))
	}
	var rs []utmpx.Record
	for ; len(b) >= l.Size(); b = b[l.Size():] {
		rs = append(rs, l.Decode(string(b[:l.Size()])))
	}
	return rs
}

func decode64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sessions returns alice's sessions in utmp.
func (m *machine) sessions() []utmpx.Record {
	m.t.Helper()
	var s []utmpx.Record
	for _, r := range m.records(utmpFile) {
		if r.Type == utmpx.UserProcess && r.User == "alice" {
			s = append(s, r)
		}
	}
	return s
}

// isBoot reports whether a record begins a boot. openrc-init's has another type.
func isBoot(r utmpx.Record) bool {
	return r.Type == utmpx.BootTime || r.Type == utmpx.RunLevel && r.User == "reboot"
}

// isShutdown reports whether a record ends a boot, as opposed to a change of the run level.
func isShutdown(r utmpx.Record) bool {
	return r.Type == utmpx.DownTime || r.Type == utmpx.RunLevel && r.User == "shutdown"
}

// booted reports whether a boot was recorded after the last end of one.
func booted(rs []utmpx.Record) bool {
	for _, r := range slices.Backward(rs) {
		if isBoot(r) || isShutdown(r) {
			return isBoot(r)
		}
	}
	return false
}

// lastBoot returns the records from the boot before the last one up to and including the
// last boot record, and the records after it.
func lastBoot(rs []utmpx.Record) (previous, present []utmpx.Record, err error) {
	var at []int
	for i, r := range rs {
		if isBoot(r) {
			at = append(at, i)
		}
	}
	if len(at) < 2 {
		return nil, nil, fmt.Errorf("%d boots in wtmp", len(at))
	}
	i, j := at[len(at)-2], at[len(at)-1]
	return rs[i : j+1], rs[j+1:], nil
}

// list formats records for people.
func list(rs []utmpx.Record) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "\t%s %s\n", r.Time.Time().UTC().Format("15:04:05.000000"), r)
	}
	return b.String()
}

// last returns what last -x of Debian 12 prints for the guest's wtmp; Debian 13 has no last.
func (m *machine) last() string {
	m.t.Helper()
	if err := os.WriteFile(m.path("wtmp"), decode64(m.t, m.sh("base64 -w0 %s", wtmpFile)), 0o644); err != nil {
		m.t.Fatal(err)
	}
	out, err := output("env", "TZ=UTC", "LC_ALL=C", host.judge+"/run", "last", "-x", "--time-format", "iso", "-f", m.path("wtmp"))
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// negative matches a negative duration, as last prints it.
var negative = regexp.MustCompile(`\(\s*-`)

// lastShows checks that last ends each session with the system at that time.
func (m *machine) lastShows(sessions []utmpx.Record, down time.Time) {
	m.t.Helper()
	out := m.last()
	if negative.MatchString(out) {
		m.t.Errorf("last prints a negative duration:\n%s", out)
	}
	lines := strings.Split(out, "\n")
	for _, s := range sessions {
		login := s.Time.Time().UTC()
		lasted := down.Unix() - login.Unix()
		want := fmt.Sprintf("- down   (%02d:%02d)", lasted/3600, lasted/60%60)
		found := slices.ContainsFunc(lines, func(l string) bool {
			return strings.Contains(l, s.Line+" ") && strings.Contains(l, login.Format("2006-01-02T15:04:05")) &&
				strings.Contains(squeeze(l), squeeze(want))
		})
		if !found {
			m.t.Errorf("last does not show the session on %s of %s as %q:\n%s", s.Line, login, want, out)
		}
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
