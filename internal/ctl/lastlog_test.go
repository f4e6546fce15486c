// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLastlogFiles: dump prints the records of a lastlog file by their content, whatever its
// name; check checks it; and who asks it for sessions is told what it is.
func TestLastlogFiles(t *testing.T) {
	l := newLab(t)
	solaris := func(order binary.AppendByteOrder, when, line, host string) []byte {
		b := order.AppendUint32(nil, uint32(at(when).Unix()))
		b = append(b, line...)
		b = append(b, make([]byte, 12-len(b))...)
		b = append(b, host...)
		return append(b, make([]byte, 28-len(b))...)
	}
	var b []byte
	b = append(b, solaris(binary.BigEndian, "2026-07-01 08:00:00", "console", "")...)
	b = append(b, make([]byte, 28*99)...)
	b = append(b, solaris(binary.BigEndian, "2026-07-01 09:30:01", "pts/2", "desk")...)
	l.write("adm", b)
	l.check(os.Chtimes(l.path("adm"), at("2026-07-02 00:00"), at("2026-07-02 00:00")))
	want := `{"type":"LASTLOG","uid":0,"line":"console","host":"","time":"2026-07-01T08:00:00Z","layout":"lastlog-28-be"}
{"type":"LASTLOG","uid":100,"line":"pts/2","host":"desk","time":"2026-07-01T09:30:01Z","layout":"lastlog-28-be"}
`
	if diff := cmp.Diff(want, string(ran(t, "dump", l.path("adm")))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := string(ran(t, "check", "-a", l.path("adm"))); got != "" && !strings.Contains(got, "nothing") {
		t.Errorf("check: %s", got)
	}
	for _, command := range []string{"last", "events", "downtime", "report"} {
		status, _, errs := l.try(command, "-f", l.path("adm"))
		if status != 1 || !strings.Contains(errs, "adm is a lastlog file") {
			t.Errorf("%s: status %d: %s", command, status, errs)
		}
	}
	for _, as := range [][]string{{"-text"}, {"-to", "native"}} {
		status, out, errs := l.try(append(append([]string{"dump"}, as...), l.path("adm"))...)
		if status != 1 || out != "" || !strings.Contains(errs, "as JSON alone") {
			t.Errorf("%v: status %d: %s", as, status, errs)
		}
	}
	// Of a name that says it, each record is one; what is none is told.
	b[len(b)-28+4] = 7
	l.write("lastlog", b)
	status, out, errs := l.try("dump", l.path("lastlog"))
	if status != 1 || strings.Count(out, "LASTLOG") != 1 || !strings.Contains(errs, "the record of user ID 100 is none: control characters") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	l.write("lastlog", make([]byte, 292*5))
	if out := l.do("dump", l.path("lastlog")); out != "" {
		t.Errorf("nobody logged in: %s", out)
	}
}

// TestLastlogOfOneUser: on most machines one ordinary user has logged in, whose user ID is 1000,
// and root perhaps, on a terminal that has no host. The file is the same where its holes are
// bytes, as in a copy of it.
func TestLastlogOfOneUser(t *testing.T) {
	l := newLab(t)
	user := append(binary.LittleEndian.AppendUint32(nil, uint32(at("2026-07-01 08:00:00").Unix())), "pts/0"...)
	root := append(binary.LittleEndian.AppendUint32(nil, uint32(at("2026-07-01 07:00:00").Unix())), "tty1"...)
	for name, first := range map[string][]byte{"user": nil, "both": root, "of more": nil} {
		b := make([]byte, 1001*292)
		if name == "of more" {
			b = make([]byte, 2001*292) // nobody of the others has logged in
		}
		copy(b, first)
		copy(b[1000*292:], user)
		l.write(name, b)
		l.check(os.Chtimes(l.path(name), at("2026-07-02 00:00"), at("2026-07-02 00:00")))
		out := l.do("dump", l.path(name))
		if want := `{"type":"LASTLOG","uid":1000,"line":"pts/0","host":"","time":"2026-07-01T08:00:00Z","layout":"lastlog-292-le"}`; !strings.Contains(out, want) {
			t.Errorf("%s: %q", name, out)
		}
		if n := strings.Count(out, "tty1"); n != min(1, len(first)) {
			t.Errorf("%s: root %d times", name, n)
		}
		l.write("lastlog", b)
		if out := l.do("check", "-a", "-as", "lastlog", l.path("lastlog")); strings.Contains(out, "none") || strings.Contains(out, "part of a record") {
			t.Errorf("%s: %s", name, out)
		}
	}
}
