// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux

package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stay is a session as utmpctl last tells it.
type stay struct {
	User    string     `json:"user"`
	Line    string     `json:"line"`
	From    time.Time  `json:"from"`
	To      *time.Time `json:"to"`
	Least   *time.Time `json:"to_least"`
	Most    *time.Time `json:"to_most"`
	EndedBy string     `json:"ended_by"`
	Exact   bool       `json:"exact"`
}

// String is short: a bound that is unknown is a question mark.
func (s stay) String() string {
	at := func(t *time.Time) string {
		if t == nil {
			return "?"
		}
		return t.Format("02T15:04:05")
	}
	b := fmt.Sprintf("%s %s %s", s.User, s.Line, s.From.Format("2006-01-02T15:04:05"))
	if s.Exact {
		return fmt.Sprintf("%s to %s %s", b, at(s.To), s.EndedBy)
	}
	return fmt.Sprintf("%s to %s..%s %s", b, at(s.Least), at(s.Most), s.EndedBy)
}

// last runs utmpctl last on a log and returns what it tells, oldest first, and says to stderr.
func last(t *testing.T, log []byte) (all []stay, said string) {
	t.Helper()
	name := filepath.Join(os.Getenv(worldEnv), "log")
	if err := os.WriteFile(name, log, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(utmpctl, "last", "-json", "-f", name)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if failed := new(exec.ExitError); err != nil && (!errors.As(err, &failed) || failed.ExitCode() != 1 || stderr.Len() == 0) {
		t.Fatalf("utmpctl last: %v: %s", err, &stderr)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var s stay
		if err := d.Decode(&s); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("utmpctl last: %v\n%s", err, out)
		}
		all = append(all, s)
	}
	slices.Reverse(all)
	return all, stderr.String()
}

// TestLast tells how the sessions of odd logs ended.
func TestLast(t *testing.T) {
	d := func(s string) time.Time { return on("2024-11-20 " + s) }
	kept := logout(":1", 10, d("10:00:00"))
	kept.user = "foo"
	marked := logout("pts/0", 1000, d("10:00:00"))
	marked.host = "utmpd-90s"
	seen := marked
	seen.host = "utmpd"
	crash := shutdown(d("11:00:00"))
	crash.host = "crash+60s,heartbeat"
	a, b := login("a", "pts/0", 1000, d("09:00:00")), login("b", "pts/0", 1001, d("09:30:00"))
	two := []rec{boot(d("08:00:00")), a, shutdown(d("13:00:00"))}
	for _, test := range []struct {
		name string
		log  []byte
		want string
	}{
		{"aarch64", aarch64.bytes(two...), "a pts/0 2024-11-20T09:00:00 to 20T13:00:00 shutdown"},
		{"s390x", s390x.bytes(two...), "a pts/0 2024-11-20T09:00:00 to 20T13:00:00 shutdown"},
		{"no end recorded", x86.bytes(boot(d("08:00:00")), a, boot(d("12:00:00"))), "a pts/0 2024-11-20T09:00:00 to 20T09:00:00..20T12:00:00 crash"},
		{"a crash that utmpctl boot recorded", x86.bytes(boot(d("08:00:00")), a, crash, boot(d("12:00:00"))), "a pts/0 2024-11-20T09:00:00 to 20T11:00:00..20T11:01:00 crash"},
		{"logouts with users", x86.bytes(boot(d("08:00:00")), login("foo", ":1", 10, d("09:00:00")), kept, shutdown(d("13:00:00"))), "foo :1 2024-11-20T09:00:00 to 20T10:00:00 logout"},
		{"closed by utmpd", x86.bytes(boot(d("08:00:00")), a, seen), "a pts/0 2024-11-20T09:00:00 to 20T10:00:00 utmpd"},
		{"closed by utmpd, which had been away", x86.bytes(boot(d("08:00:00")), a, marked), "a pts/0 2024-11-20T09:00:00 to 20T09:58:30..20T10:00:00 utmpd"},
		{"the next on the line", x86.bytes(boot(d("08:00:00")), a, b, logout("pts/0", 1001, d("10:00:00"))),
			"a pts/0 2024-11-20T09:00:00 to 20T09:00:00..20T09:30:00 replaced\nb pts/0 2024-11-20T09:30:00 to 20T10:00:00 logout"},
		{"after 2038", x86.bytes(boot(on("2040-01-01 08:00:00")), login("a", "pts/0", 1000, on("2040-01-01 09:00:00")), shutdown(on("2040-01-02 08:00:00"))),
			"a pts/0 2040-01-01T09:00:00 to 02T08:00:00 shutdown"},
		{"a clock that begins in 2000", x86.bytes(boot(on("2000-01-01 00:00:10")), runlevel(d("10:00:00")), login("a", "pts/0", 1000, d("10:05:00")), logout("pts/0", 1000, d("11:00:00")), shutdown(d("12:00:00"))),
			"a pts/0 2024-11-20T10:05:00 to 20T11:00:00 logout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			all, said := last(t, test.log)
			var got []string
			for _, s := range all {
				got = append(got, s.String())
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "\n")); diff != "" || said != "" {
				t.Errorf("(-want +got)\n%s%s", diff, said)
			}
		})
	}
}

// TestLastMisaligned: of logs whose records stand off their places, the sessions of the days
// that are whole are told as if nothing were wrong, and a session near the damage ended
// within its bounds.
func TestLastMisaligned(t *testing.T) {
	for name, log := range damaged() {
		t.Run(name, func(t *testing.T) {
			if !enter(t) {
				return
			}
			all, _ := last(t, log)
			for _, date := range []string{"2024-11-04", "2024-11-05"} {
				want := fmt.Sprintf("alice pts/0 %sT08:10:00 to %sT17:00:00 logout", date, date[len("2024-11-"):])
				if !slices.ContainsFunc(all, func(s stay) bool { return s.String() == want }) {
					t.Errorf("there is no %s: %v", want, all)
				}
			}
			for _, s := range all {
				if s.User == "bob" && (s.Exact || s.Most != nil && s.Most.Before(on("2024-11-03 10:00:00"))) && name != "a shorter record" {
					t.Errorf("nobody knows that: %v", s)
				}
			}
		})
	}
}
