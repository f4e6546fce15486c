// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/lab"
	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/utmpx"
)

// TestAgentKilled kills an agent before and after each piece that goes over its connection,
// either way, and starts it again.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	stride := 4
	if *long {
		stride = 1
	}
	for _, after := range []bool{false, true} {
		s, h := lab.Start(t), newHost(t, "web1")
		way := newWay(t, s.Addr)
		done := false
		for step := 1; !done; step += stride {
			h.happen(2)
			a := (*process)(nil)
			killed := way.killAt(step, after, func() { _ = a.Process.Kill() })
			a = h.agent(s, "nats://"+way.addr)
			way.open()
			wait(t, "the agent is killed, or has sent everything", func() bool {
				select {
				case <-killed:
					return true
				default:
				}
				done = h.arrived(s.Stored(wire.Events))
				return done
			})
			a.kill()
			if step > 400 {
				t.Fatal("it does not end")
			}
		}
		h.arrived(s.Stored(wire.Events))
		t.Logf("%d pieces, %d events", way.seen(), len(h.want))
	}
}

// TestOffline: an agent that was killed before it heard that an event was stored comes back
// after the stream has forgotten which messages it has seen.
func TestOffline(t *testing.T) {
	t.Parallel()
	s, h := lab.Start(t), newHost(t, "web1")
	window := 100 * time.Millisecond // the shortest
	if *long {
		window = 2 * time.Minute // that of NATS
	}
	js, err := jetstream.New(s.Connect(keys.Admin, "admin"))
	check(t, err)
	st, err := js.Stream(t.Context(), wire.Events)
	check(t, err)
	cfg := st.CachedInfo().Config
	cfg.Duplicates = window
	_, err = js.UpdateStream(t.Context(), cfg)
	check(t, err)
	for _, text := range []string{`"seq":4`, `"seq":9`} {
		h.happen(5)
		way := newWay(t, s.Addr)
		a := (*process)(nil)
		killed := way.killAtText(text, func() { _ = a.Process.Kill() })
		a = h.agent(s, "nats://"+way.addr)
		way.open()
		<-killed
		a.kill()
		for end := time.Now().Add(window + window/2); time.Now().Before(end); time.Sleep(window / 10) {
			h.happen(1)
		}
	}
	h.agent(s, s.URL())
	h.arrives(s)
}

// ways to rotate a log.
var ways = map[string]func(t testing.TB, h *host){
	"rename": func(t testing.TB, h *host) {
		older(t, h)
		check(t, os.Rename(h.file("wtmp"), h.file("wtmp.1")))
	},
	"copytruncate": func(t testing.TB, h *host) {
		older(t, h)
		b, err := os.ReadFile(h.file("wtmp"))
		check(t, err)
		check(t, os.WriteFile(h.file("wtmp.1"), b, 0o600))
		check(t, os.Truncate(h.file("wtmp"), 0))
		h.happen(len(b)/384 + 5) // past where it was
	},
	"compress": func(t testing.TB, h *host) {
		older(t, h)
		b, err := os.ReadFile(h.file("wtmp"))
		check(t, err)
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, err = w.Write(b)
		check(t, errors.Join(err, w.Close()))
		check(t, os.WriteFile(h.file("wtmp.1.gz"), z.Bytes(), 0o600))
		check(t, os.Remove(h.file("wtmp")))
	},
}

// older makes room for wtmp.1.
func older(t testing.TB, h *host) {
	for _, end := range []string{"", ".gz"} {
		if _, err := os.Stat(h.file("wtmp.1" + end)); err == nil {
			check(t, os.Rename(h.file("wtmp.1"+end), h.file("wtmp.2"+end)))
		}
	}
}

// TestRotated rotates the log, in each way, while the agent is away, while the server is, and
// while both work. The clock is set back meanwhile.
func TestRotated(t *testing.T) {
	t.Parallel()
	for name, rotate := range ways {
		t.Run(name, func(t *testing.T) {
			s, h := lab.Start(t), newHost(t, "web1")
			h.happen(12)
			a := h.agent(s, s.URL())
			h.arrives(s)
			a.kill()
			h.happen(12)
			rotate(t, h)
			h.happen(3)
			h.agent(s, s.URL())
			h.arrives(s)
			s.Kill()
			h.happen(4)
			rotate(t, h)
			h.happen(3)
			s.Restart()
			h.arrives(s)
			if !*long {
				return
			}
			for range 5 {
				h.happen(5)
				rotate(t, h)
				h.happen(5)
				h.arrives(s)
			}
		})
	}
}

// TestCloned: of a machine and its clone, which have one name and one id, one sends and the
// other says so, whoever of them is first and however often they start. What the stream has
// is what the first one told.
func TestCloned(t *testing.T) {
	t.Parallel()
	s, h := lab.Start(t), newHost(t, "web1")
	h.happen(15)
	clone := newHost(t, "web1")
	b, err := os.ReadFile(h.file("wtmp"))
	check(t, err)
	check(t, os.WriteFile(clone.file("wtmp"), b, 0o600))
	clone.n, clone.now = 1000, h.now.Add(time.Minute) // from here on the logs differ
	booted := h.now.Add(-24 * time.Hour)              // both run for long
	h.happen(5)
	first := inProcess(t, s, h, "boot-1", booted)
	h.arrives(s)
	clone.happen(5)
	for range 3 {
		second := inProcess(t, s, clone, "boot-2", booted)
		wait(t, "the clone says so", func() bool { return second.said("another machine") })
		h.happen(3)
		h.arrives(s)
		second.stop()
		first.stop()
		clone.happen(1)
		second = inProcess(t, s, clone, "boot-2", booted)
		wait(t, "the clone says so, alone", func() bool { return second.said("another machine") })
		second.stop()
		h.happen(3)
		first = inProcess(t, s, h, "boot-1", booted)
		h.arrives(s)
	}
	first.stop()
}

// TestHostLostPower: a machine that loses power loses records which nobody had synced, and
// which its agent has sent. It goes on with a gap: it is no clone of itself.
func TestHostLostPower(t *testing.T) {
	t.Parallel()
	s, h := lab.Start(t), newHost(t, "web1")
	h.happen(5)
	a := inProcess(t, s, h, "boot-1", h.now.Add(-time.Hour))
	synced, err := os.Stat(h.file("wtmp"))
	check(t, err)
	h.happen(3)
	h.arrives(s)
	a.stop()
	check(t, os.Truncate(h.file("wtmp"), synced.Size()))
	h.now = h.now.Add(time.Minute)
	booted := h.now
	h.want = append(h.want, "gap")
	h.write(utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12"}, "boot")
	h.happen(3)
	inProcess(t, s, h, "boot-2", booted)
	h.arrives(s)
}

// inside is an agent in this process.
type inside struct {
	stop func()
	mu   sync.Mutex
	log  bytes.Buffer
}

func (i *inside) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if testing.Verbose() {
		os.Stderr.Write(p)
	}
	return i.log.Write(p)
}

func (i *inside) said(text string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return bytes.Contains(i.log.Bytes(), []byte(text))
}

func inProcess(t testing.TB, s *lab.Server, h *host, boot string, booted time.Time) *inside {
	t.Helper()
	return start(t, h, agent.Config{URL: s.URL(), Creds: s.Creds(keys.Host, h.name), Boot: boot, Booted: func() (time.Time, error) { return booted, nil }, Answer: 2 * time.Second, Retry: time.Second})
}

func start(t testing.TB, h *host, cfg agent.Config) *inside {
	t.Helper()
	i := &inside{}
	cfg.Host, cfg.Machine, cfg.Wtmp, cfg.Utmp = h.name, "m-"+h.name, h.file("wtmp"), h.file("utmp")
	cfg.Beat, cfg.Log = time.Minute, slog.New(slog.NewTextHandler(i, nil))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.Run(ctx, cfg) }()
	i.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(i.stop)
	return i
}
