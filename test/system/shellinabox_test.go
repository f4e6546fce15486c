// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// page is a page of shellinabox in a browser. It shows a terminal.
type page struct {
	session string

	mu     sync.Mutex
	screen string // everything printed so far
}

const shellinaboxPort = 4200

// openPage opens a page and reads what its terminal prints, until shellinabox ends it.
func openPage(t *testing.T) *page {
	t.Helper()
	p := new(page)
	if err := p.read(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for p.read() == nil {
		}
	}()
	return p
}

// post sends a request as the page's script does.
func (p *page) post(fields url.Values) ([]byte, error) {
	for key, value := range map[string]string{"width": "80", "height": "24", "rooturl": "http://127.0.0.1/", "session": p.session} {
		if value != "" {
			fields.Set(key, value)
		}
	}
	r, err := http.PostForm(fmt.Sprintf("http://127.0.0.1:%d/", shellinaboxPort), fields)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("shellinabox: %s", r.Status)
	}
	return io.ReadAll(r.Body)
}

// read waits until the terminal prints something. The first answer names the session.
func (p *page) read() error {
	b, err := p.post(url.Values{})
	if err != nil {
		return err
	}
	var answer struct{ Session, Data string }
	if err := json.Unmarshal(b, &answer); err != nil {
		return err
	}
	if p.session == "" {
		p.session = answer.Session
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.screen += answer.Data
	return nil
}

func (p *page) typeln(t *testing.T, line string) {
	t.Helper()
	if _, err := p.post(url.Values{"keys": {hex.EncodeToString([]byte(line + "\r"))}}); err != nil {
		t.Fatal(err)
	}
}

// expect waits until the terminal has printed the words, one behind the other.
func (p *page) expect(t *testing.T, words ...string) {
	t.Helper()
	waitFor(t, generous, fmt.Sprintf("the page to show %q", words), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		rest, ok := p.screen, true
		for _, word := range words {
			if _, rest, ok = strings.Cut(rest, word); !ok {
				return false
			}
		}
		return true
	})
}

// loginShellinabox logs alice in on a page: shellinabox starts login, whose child is the
// shell and ut_pid. login's own pid is in wtmp.
func loginShellinabox(t *testing.T) (*page, *session) {
	t.Helper()
	before := entries(t)
	p := openPage(t)
	p.expect(t, "login: ")
	p.typeln(t, "alice")
	p.expect(t, "login: ", "Password: ")
	p.typeln(t, "alice")
	p.expect(t, "login: ", "Password: ", "$ ")
	p.typeln(t, "echo ans''wer")
	p.expect(t, "$ ", "answer\r\n")
	s := &session{entry: awaitEntry(t, before, "shellinabox")}
	s.shell = int(s.entry.PID)
	s.server = parentOf(t, s.shell)
	return p, s
}

// TestMarkedWithoutLogout checks sessions of shellinabox in LOGIN mode. When login has
// ended, however it did, shellinabox marks the record in utmp. It leaves wtmp to login,
// which a SIGKILL keeps from writing its logout.
func TestMarkedWithoutLogout(t *testing.T) {
	parallel(t)
	for _, c := range []struct {
		name  string
		end   func(*testing.T, *page, *session)
		owner bool // login writes the logout
	}{
		{"login killed", func(t *testing.T, _ *page, s *session) { kill("", server).do(t, s) }, false},
		{"login and shell killed", func(t *testing.T, _ *page, s *session) { kill("", serverAndShell).do(t, s) }, false},
		{"exit", func(t *testing.T, p *page, _ *session) { p.typeln(t, "exit") }, true},
		{"shell killed", func(t *testing.T, _ *page, s *session) { kill("", shell).do(t, s) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			daemon(t, "/usr/bin/shellinaboxd", "-q", "-t", "--localhost-only", "-p", fmt.Sprint(shellinaboxPort), "-s", "/:LOGIN")
			waitPort(t, shellinaboxPort)
			d := startUtmpd(t)
			p, s := loginShellinabox(t)
			_, other := loginShellinabox(t)
			(&dweller{entry: s.entry}).mustStand(t)

			died := death{from: time.Now()}
			c.end(t, p, s)
			waitFor(t, generous, "the end of login and shell", func() bool { return !alive(s.server) && !alive(s.shell) })
			died.to = time.Now()
			marked := awaitMarked(t, s.entry)
			waitFor(t, generous, "a logout", func() bool { return logouts(t, s.entry) > 0 })
			settle(t)
			(&program{}).checkLast(t, s, died)
			if got := logouts(t, s.entry); got != 1 {
				t.Errorf("wtmp holds %d logouts", got)
			}
			if said := strings.Contains(d.logged(), "pending logouts are written"); said == c.owner {
				t.Errorf("utmpd wrote a logout: %v", said)
			}
			if now := awaitMarked(t, s.entry); now != marked {
				t.Errorf("shellinabox marked the record as %v; now it is %v", marked, now)
			}
			(&dweller{entry: other.entry}).mustStand(t)
			if !alive(other.shell) || syscall.Kill(other.server, 0) != nil {
				t.Error("the other session has ended")
			}
		})
	}
}

// awaitMarked waits until the record of a line is marked, and returns it.
func awaitMarked(t *testing.T, entry utmpx.Record) utmpx.Record {
	t.Helper()
	var marked utmpx.Record
	waitFor(t, generous, "the record of "+entry.Line+" to be marked", func() bool {
		for _, r := range records(t, utmpFile) {
			if r.Line == entry.Line && r.ID == entry.ID && r.Type == utmpx.DeadProcess {
				marked = r
				return true
			}
		}
		return false
	})
	return marked
}
