// SPDX-License-Identifier: BSD-2-Clause

//go:build linux

package proof

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// way is a connection's way to a server, which kills an agent at a piece that goes over it.
type way struct {
	addr, to string
	gate     chan struct{} // closed when it is open
	mu       sync.Mutex
	n        int // pieces that went
	kill     func(n int, piece []byte) bool
	after    bool
	killed   chan struct{}
}

func newWay(t testing.TB, to string) *way {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	w := &way{addr: l.Addr().String(), to: to, gate: make(chan struct{})}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
		all.Wait()
	})
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			<-w.gate
			out, err := net.Dial("tcp", w.to)
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			all.Go(func() { w.pass(in, out) })
			all.Go(func() { w.pass(out, in) })
		}
	})
	return w
}

// open lets connections through.
func (w *way) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.gate:
	default:
		close(w.gate)
	}
}

// killAt calls kill at a piece, before it goes or after. The channel is closed then.
func (w *way) killAt(n int, after bool, kill func()) <-chan struct{} {
	return w.set(after, func(i int, _ []byte) bool {
		if i != n {
			return false
		}
		kill()
		return true
	})
}

// killAtText calls kill in place of the first piece with a text.
func (w *way) killAtText(text string, kill func()) <-chan struct{} {
	return w.set(false, func(_ int, piece []byte) bool {
		if !bytes.Contains(piece, []byte(text)) {
			return false
		}
		kill()
		return true
	})
}

func (w *way) set(after bool, kill func(int, []byte) bool) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n, w.after, w.kill, w.killed = 0, after, kill, make(chan struct{})
	return w.killed
}

func (w *way) seen() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

func (w *way) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil || !w.piece(to, b[:n]) {
			return
		}
	}
}

func (w *way) piece(to net.Conn, b []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.killed:
		return false // its agent is dead
	default:
	}
	w.n++
	if w.after {
		if _, err := to.Write(b); err != nil {
			return false
		}
	}
	if w.kill(w.n, b) {
		close(w.killed)
		return false
	}
	if !w.after {
		if _, err := to.Write(b); err != nil {
			return false
		}
	}
	return true
}
