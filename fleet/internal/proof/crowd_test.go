// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/agent"
	"utmpd.dev/utmpd/fleet/internal/keys"
	"utmpd.dev/utmpd/fleet/internal/wire"
)

// crowd is a process of many hosts: a server and they have more descriptors than one process
// may have. It does what it reads, a command a line, and answers each with a line.
func crowd() int {
	c := crowdOf{url: os.Args[1]}
	var err error
	if c.ring, err = keys.Open(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var what, last string
		var n, each int
		_, _ = fmt.Sscan(in.Text(), &what, &n, &each, &last)
		began := time.Now()
		switch what {
		case "connect":
			err = c.connect(n, each)
		case "bare":
			var size int
			if size, err = strconv.Atoi(last); err == nil {
				err = c.bare(n, each, size)
			}
		case "agents":
			err = c.agents(n, each, last)
		}
		if err != nil {
			fmt.Println("failed:", err)
			return 1
		}
		fmt.Println("ok", time.Since(began))
	}
	return 0
}

type crowdOf struct {
	url  string
	ring *keys.Ring
}

// connectOne connects as an agent does.
func (c *crowdOf) connectOne(name string) (*nats.Conn, error) {
	creds, err := c.ring.Creds(keys.Host, name)
	if err != nil {
		return nil, err
	}
	return nats.Connect(c.url, nats.UserCredentialBytes(creds), nats.CustomInboxPrefix("_INBOX."+name), nats.Timeout(30*time.Second))
}

// each does something for so many, by 32 at a time.
func each(n int, do func(i int) error) error {
	var all sync.WaitGroup
	errs := make([]error, 32)
	for w := range errs {
		all.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				errs[w] = do(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// connect connects hosts, each of which has so many sessions, and sends a beat a minute.
func (c *crowdOf) connect(n, sessions int) error {
	conns := make([]*nats.Conn, n)
	beat := fmt.Appendf(nil, `{"machine_id":%q,"boot_id":%q}`, "0123456789abcdef", "0123456789abcdef")
	err := each(n, func(i int) (err error) {
		name := fmt.Sprintf("host%05d", i)
		if conns[i], err = c.connectOne(name); err != nil {
			return err
		}
		on := wire.Sessions{Machine: "0123456789abcdef", Boot: "0123456789abcdef", Time: time.Now().UTC()}
		for k := range sessions {
			since := time.Now().UTC()
			on.Sessions = append(on.Sessions, wire.Session{User: fmt.Sprint("user", (i*sessions+k)%5000), Line: fmt.Sprint("pts/", k), Host: "desk.example.org", Addr: "192.0.2.7", PID: int32(1000 + k), Since: &since})
		}
		b, err := json.Marshal(on)
		if err != nil {
			return err
		}
		if err := conns[i].Publish(wire.BeatSubject(name), beat); err != nil {
			return err
		}
		if _, err = conns[i].Request(wire.OnSubject(name, 0), b, 30*time.Second); err != nil {
			return err
		}
		if b, err = on.Snapshot(); err != nil {
			return err
		}
		_, err = conns[i].Request(wire.PastSubject(name), b, 30*time.Second)
		return err
	})
	go func() {
		for tick := time.NewTicker(wire.Beat / time.Duration(n)); ; {
			for i, nc := range conns {
				<-tick.C
				_ = nc.Publish(wire.BeatSubject(fmt.Sprintf("host%05d", i)), beat)
			}
		}
	}()
	return err
}

// bare publishes what agents do, one message in flight a connection, without logs and without
// saying which event is expected before it. The messages have as many bytes, and are of as
// many kinds and users.
func (c *crowdOf) bare(n, events, size int) error {
	conns := make([]*nats.Conn, n)
	err := each(n, func(i int) (err error) {
		conns[i], err = c.connectOne(fmt.Sprint("bare", i))
		return err
	})
	if err != nil {
		return err
	}
	body := fmt.Appendf(nil, `{"id":%q}`, strings.Repeat("x", max(0, size-len(`{"id":""}`))))
	var all sync.WaitGroup
	errs := make([]error, n)
	for i, nc := range conns {
		all.Go(func() {
			defer nc.Close()
			m := nats.NewMsg("")
			m.Data = body
			for k := range events {
				m.Subject = wire.Subject(fmt.Sprint("bare", i), []string{"login", "logout"}[k%2], fmt.Sprint("user", k/2%40))
				if _, err := nc.RequestMsg(m, time.Minute); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// agents runs the agents of hosts whose files are in a directory, until all have sent
// everything.
func (c *crowdOf) agents(n, round int, dir string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var sent, all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		name := fmt.Sprintf("agent%d-%d", round, i)
		files := filepath.Join(dir, name)
		creds, err := c.ring.Creds(keys.Host, name)
		if err == nil {
			err = os.WriteFile(files+"/creds", creds, 0o600)
		}
		if err != nil {
			return err
		}
		sent.Add(1)
		cfg := agent.Config{Host: name, URL: c.url, Creds: files + "/creds", Wtmp: files + "/wtmp", Utmp: files + "/utmp", Machine: "0123456789abcdef", Boot: "0123456789abcdef",
			Beat: time.Minute, Answer: time.Minute, Retry: time.Second, Log: slog.New(slog.DiscardHandler), Waiting: sync.OnceFunc(sent.Done)}
		all.Go(func() { errs[i] = agent.Run(ctx, cfg) })
	}
	sent.Wait()
	stop()
	all.Wait()
	return errors.Join(errs...)
}
