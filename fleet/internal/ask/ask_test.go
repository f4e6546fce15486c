// SPDX-License-Identifier: BSD-2-Clause

package ask_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/ask"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put publishes, and expects that it is stored.
func put(t *testing.T, nc *nats.Conn, subject, body string) {
	t.Helper()
	answer, err := nc.Request(subject, []byte(body), 5*time.Second)
	check(t, err)
	if strings.Contains(string(answer.Data), `"error"`) {
		t.Fatalf("%s: %s", subject, answer.Data)
	}
}

func client(t *testing.T, s *lab.Server) (*ask.Client, *[]string) {
	t.Helper()
	var doubts []string
	c, err := ask.New(s.Connect(keys.Reader, "reader"), func(err error) { doubts = append(doubts, err.Error()) })
	check(t, err)
	return c, &doubts
}

// login and logout are events as agents send them.
func login(t *testing.T, nc *nats.Conn, host, user, line, at string) {
	t.Helper()
	put(t, nc, wire.Subject(wire.Token(host), "login", user), fmt.Sprintf(
		`{"schema":1,"id":"in%s%s","event":"login","time":"%s","machine":%q,"session":"%s%s","line":%q,"user":%q,"host":"ws","addr":null,"pid":7}`, at, line, at, host, at, line, line, user))
}

func logout(t *testing.T, nc *nats.Conn, host, user, line, from, at, least string) {
	t.Helper()
	put(t, nc, wire.Subject(wire.Token(host), "logout", user), fmt.Sprintf(
		`{"schema":1,"id":"out%s%s","event":"logout","time":"%s","machine":%q,"session":"%s%s","line":%q,"user":%q,"host":"ws","addr":null,"pid":7,"login_time":%q,"ended_by":"logout","exact":%v,"time_least":%q,"time_most":%q}`,
		at, line, at, host, from, line, line, user, from, least == at, least, at))
}

func texts(all []*ask.Session) (out []string) {
	for _, s := range all {
		to := "-"
		if s.To != nil {
			to = s.To.Format("15:04")
		}
		out = append(out, fmt.Sprint(s.Machine, " ", *s.User, " ", *s.Line, " ", s.From.Format("15:04"), " ", to, " ", s.EndedBy))
	}
	return out
}

func day(at string) string { return "2026-07-01T" + at + ":00Z" }

func moment(at string) time.Time {
	v, err := time.Parse(time.RFC3339, day(at))
	if err != nil {
		panic(err)
	}
	return v
}

// TestLast: sessions of all hosts, and those of one user, one host, one time.
func TestLast(t *testing.T) {
	s := lab.Start(t)
	a, b := s.Connect(keys.Host, "web1.example.org"), s.Connect(keys.Host, "db1")
	login(t, a, "web1.example.org", "alice", "pts/0", day("08:00"))
	login(t, b, "db1", "bob", "pts/0", day("08:30"))
	logout(t, a, "web1.example.org", "alice", "pts/0", day("08:00"), day("09:00"), day("09:00"))
	login(t, a, "web1.example.org", "bob", "pts/1", day("09:30"))
	logout(t, b, "db1", "bob", "pts/0", day("08:30"), day("12:00"), day("10:00"))
	logout(t, b, "db1", "carol", "pts/9", day("06:00"), day("07:00"), day("07:00")) // its login is gone
	c, doubts := client(t, s)
	alice, bob, later, carol := "web1.example.org alice pts/0 08:00 09:00 logout", "db1 bob pts/0 08:30 12:00 logout", "web1.example.org bob pts/1 09:30 - open", "db1 carol pts/9 06:00 07:00 logout"
	for _, q := range []struct {
		name   string
		filter ask.Filter
		want   []string
	}{
		{"all", ask.Filter{}, []string{later, bob, alice, carol}},
		{"a user", ask.Filter{User: "bob"}, []string{later, bob}},
		{"nobody", ask.Filter{User: "nobody"}, nil},
		{"a host", ask.Filter{Host: "web1.example.org"}, []string{later, alice}},
		{"hosts", ask.Filter{Host: "web*"}, []string{later, alice}},
		{"since", ask.Filter{Since: moment("09:10")}, []string{later, bob}},
		{"until", ask.Filter{Until: moment("08:10")}, []string{alice, carol}},
	} {
		got, err := c.Last(t.Context(), q.filter)
		if diff := cmp.Diff(q.want, texts(got)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", q.name, err, diff)
		}
	}
	for _, q := range []struct {
		at      string
		want    []string
		unknown []string
	}{
		{"06:30", []string{carol}, []string{"web1.example.org"}},
		{"07:30", nil, []string{"web1.example.org"}},
		{"08:45", []string{bob, alice}, nil},
		{"11:00", []string{later, bob}, nil},
		{"12:00", []string{later}, nil},
	} {
		got, unknown, err := c.At(t.Context(), ask.Filter{}, moment(q.at))
		if q.at == "06:30" || q.at == "07:30" {
			// db1's first event is the logout at 07:00.
			unknown = slices.DeleteFunc(unknown, func(n string) bool { return n == "db1" })
		}
		if diff := cmp.Diff(q.want, texts(got)) + cmp.Diff(q.unknown, unknown); diff != "" || err != nil {
			t.Errorf("at %s: %v (-want +got)\n%s", q.at, err, diff)
		}
	}
	if len(*doubts) > 0 {
		t.Errorf("%q", *doubts)
	}
}

// TestForged: what a host says in another's name, or what is no event, is not believed, and
// is told. What is sent twice is shown once.
func TestForged(t *testing.T) {
	s := lab.Start(t)
	eve := s.Connect(keys.Host, "eve")
	subject := wire.Subject("eve", "login", "root")
	put(t, eve, subject, `{"schema":1,"id":"1","event":"login","time":"2026-07-01T08:00:00Z","machine":"web1","user":"root"}`)
	put(t, eve, subject, `{"schema":1,"id":"2","event":"crash","time":"2026-07-01T08:00:00Z","machine":"eve","user":"root"}`)
	put(t, eve, subject, "\x1b[2J not JSON")
	put(t, eve, subject, `{"machine":7}`)
	put(t, eve, wire.OnSubject("eve", 0), "no sessions")
	login(t, eve, "eve", "root", "pts/0", day("08:00"))
	login(t, eve, "eve", "root", "pts/0", day("08:00"))
	c, doubts := client(t, s)
	n := 0
	check(t, c.Events(t.Context(), ask.Filter{}, func(e *ask.Event) { n++ }))
	if n != 1 || len(*doubts) != 4 {
		t.Errorf("%d events, %q", n, *doubts)
	}
	hosts, err := c.Who(t.Context(), ask.Filter{})
	if err != nil || len(hosts) != 0 || len(*doubts) != 5 {
		t.Errorf("%v %v %q", hosts, err, *doubts)
	}
}

// TestWho: who is on, in pieces or whole, of hosts that are there and that are not.
func TestWho(t *testing.T) {
	s := lab.Start(t)
	a, b := s.Connect(keys.Host, "web1"), s.Connect(keys.Host, "db1")
	put(t, a, wire.BeatSubject("web1"), "{}")
	put(t, a, wire.OnSubject("web1", 0), `{"split":true,"sessions":[{"user":"alice","line":"pts/0","pid":1}]}`)
	put(t, a, wire.OnSubject("web1", 5), `{"sessions":[{"user":"alice","line":"pts/0","pid":1},{"user":"bob","line":"pts/1","pid":2}]}`)
	put(t, b, wire.OnSubject("db1", 5), `{"sessions":[{"user":"bob","line":"pts/7","pid":7}]}`) // of a time when it was split
	put(t, b, wire.OnSubject("db1", 0), `{"sessions":[{"user":"carol","line":"pts/0","pid":1}]}`)
	put(t, b, wire.OnSubject("db1", 0), `{"sessions":[{"user":"bob","line":"pts/3","pid":9}]}`)
	c, _ := client(t, s)
	for _, q := range []struct {
		filter ask.Filter
		want   string
	}{
		{ask.Filter{}, "db1 silent bob; web1 present alice bob; "},
		{ask.Filter{User: "bob"}, "db1 silent bob; web1 present bob; "},
		{ask.Filter{Host: "web?", User: "alice"}, "web1 present alice; "},
		{ask.Filter{Host: "db1"}, "db1 silent bob; "},
	} {
		hosts, err := c.Who(t.Context(), q.filter)
		var got strings.Builder
		for _, h := range hosts {
			fmt.Fprint(&got, h.Name, " ", h.State)
			for _, s := range h.Sessions {
				fmt.Fprint(&got, " ", s.User)
			}
			got.WriteString("; ")
		}
		if err != nil || got.String() != q.want {
			t.Errorf("%+v: %v, %q, want %q", q.filter, err, got.String(), q.want)
		}
	}
}
