// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/fleetctl"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// question calls utmpfleet.
func question(s *lab.Server, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	args = append([]string{args[0], "-server", s.URL(), "-creds", filepath.Join(s.Dir, "reader.creds")}, args[1:]...)
	code = fleetctl.Main(args, &o, &e)
	return code, o.String(), e.String()
}

// nasty are texts that a terminal, a table or a reader of lines could misunderstand.
var nasty = []string{
	"\x1b]0;title\a\x1b[2J", "\u009b31m", "\u202egnp.exe", "a\nweb2  root  pts/0", "a\tb", "\x00", "\xff\xfe", "\u2028", "\ufeff", strings.Repeat("é", 1000),
}

// bodies are events and sessions that are none, or are another host's.
func bodies() (all []string) {
	for i, text := range nasty {
		quoted, err := json.Marshal(text)
		if err != nil {
			panic(err)
		}
		raw := strings.NewReplacer("\x1b", `\u001b`, "\a", `\u0007`, "\n", `\n`, "\t", `\t`, "\x00", `\u0000`).Replace(text)
		for _, user := range []string{string(quoted), `"` + raw + `"`} {
			all = append(all, fmt.Sprintf(`{"schema":1,"id":"x%d-%d","event":"login","time":"2026-07-01T08:00:00Z","machine":"evil","session":%[3]s,"line":%[3]s,"user":%[3]s,"host":%[3]s,"pid":1}`, i, len(user), user))
		}
	}
	deep := strings.Repeat(`{"a":`, 3000) + "1" + strings.Repeat("}", 3000)
	return append(all, "", "null", "[]", "{", "\x00\xff", `"x"`, deep, `{"event":`+deep+`}`,
		`{"machine":"victim","event":"login","id":"1","user":"forged"}`,
		`{"machine":"evil","event":"logout","id":"1","user":"forged"}`,
		`{"machine":"evil","event":"login","id":"","user":"forged"}`,
		`{"machine":"evil","event":"login","id":"2","time":"0000-00-00T00:00:00Z","user":"forged"}`,
		`{"machine":"evil","event":"login","id":"3","time":"9999-12-31T23:59:59.999999999Z","user":"u"}`,
		`{"machine":"evil","event":"login","id":"4","pid":99999999999999999999,"user":"forged"}`,
		`{"machine":"evil","event":"login","id":"5","lasted_least_seconds":1e400,"user":"forged"}`,
		`{"machine":"evil","machine":"victim","event":"login","id":"6","user":"forged"}`,
		`{"sessions":[{"user":"forged","line":1}]}`, `{"time":"x","sessions":[]}`,
		`{"unread":"\u001b[2J","sessions":[]}`, `{"sessions":null}`)
}

// TestHostile: a host with credentials does its worst. The others' agents, and questions about
// them, go on as if it were not there, and nothing of it reaches a terminal unescaped.
func TestHostile(t *testing.T) {
	t.Parallel()
	s, h := lab.Start(t, "-max-per-subject", "200"), newHost(t, "victim")
	h.happen(10)
	h.agent(s, s.URL())
	h.arrives(s)
	evil := s.Connect(keys.Host, "evil", nats.Name("JetStream critical write error"))
	flood := 2000
	if *long {
		flood = 200000
	}
	send := func(m *nats.Msg) {
		t.Helper()
		check(t, evil.PublishMsg(m))
	}
	other := []string{wire.Subject("victim", "login", "user1"), wire.OnSubject("victim", 0), wire.BeatSubject("victim"), wire.PastSubject("victim")}
	own := []string{wire.Subject("evil", "login", "user1"), wire.OnSubject("evil", 0), wire.BeatSubject("evil"), wire.Subject("evil", "crash", ""), wire.PastSubject("evil")}
	last := "$JS.API.DIRECT.GET." + wire.Events + "." + wire.HostEvents("evil")
	for _, header := range []string{"Nats-Rollup:all", "Nats-Rollup:sub", "Nats-TTL:1s", "Nats-Incr:+1", "Nats-Marker-Reason:Purge", "Nats-Batch-Id:b",
		"Nats-Schedule:@every 1s", "Nats-Schedule-Target:" + other[0], "Nats-Trace-Dest:" + other[0], "Nats-Expected-Last-Sequence:0", "Status:404", "Nats-Sequence:1"} {
		k, v, _ := strings.Cut(header, ":")
		for _, subject := range own {
			m := nats.NewMsg(subject)
			m.Header.Set(k, v)
			m.Data = []byte(`{}`)
			send(m)
		}
	}
	for i := range flood {
		send(&nats.Msg{Subject: own[i%3], Data: bytes.Repeat([]byte("x"), []int{1, 4000, 900, wire.MaxEvent + 1}[i%4])})
		if i == flood/2 {
			h.happen(11) // meanwhile
		}
	}
	// After the flood, which removes its own events.
	for _, body := range bodies() {
		for _, subject := range append(own, other...) {
			send(&nats.Msg{Subject: subject, Data: []byte(body)})
			for _, reply := range other {
				send(&nats.Msg{Subject: subject, Data: []byte(body), Reply: reply})
				send(&nats.Msg{Subject: last, Reply: reply})
			}
		}
	}
	h.happen(11)
	check(t, evil.FlushTimeout(time.Minute))
	wait(t, "all events of the other are in the stream", func() bool {
		got := told(t, s.Stored(wire.Events), "victim") // fails at one that is none of its own
		return len(got) == len(h.want)
	})
	h.arrives(s)

	for _, args := range [][]string{{"who"}, {"who", "-json"}, {"who", "-at", "now"}, {"last"}, {"last", "-json"}, {"hosts"}, {"hosts", "-json"}, {"events"}, {"events", "-json"}, {"crashes"}} {
		_, out, errs := question(s, args...)
		for i, r := range out + errs {
			_, n := utf8.DecodeRuneInString((out + errs)[i:])
			if r != '\n' && !unicode.IsPrint(r) || r == utf8.RuneError && n == 1 {
				t.Errorf("%v: %q reaches the terminal", args, r)
				break
			}
		}
		if args[0] == "events" && !strings.Contains(out, `\x1b]0;title\x07`) && !strings.Contains(out, `\u001b]0;title\u0007`) {
			t.Errorf("%v: what is to be escaped is not there", args)
		}
		if strings.Contains(out, "forged") {
			t.Errorf("%v: what is no event is shown:\n%s", args, out)
		}
		for l := range strings.Lines(out) {
			if strings.HasPrefix(l, "web2") || strings.HasSuffix(args[len(args)-1], "json") && !json.Valid([]byte(l)) {
				t.Errorf("%v: %q", args, l)
			}
		}
	}
	_, hosts, _ := question(s, "hosts", "-host", "victim", "-json")
	if !strings.Contains(hosts, `"state":"present"`) || strings.Count(hosts, "\n") != 1 {
		t.Errorf("hosts: %s", hosts)
	}
}
