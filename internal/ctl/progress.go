// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// progress shows how far long work on a file is, in one line of standard error, which it
// erases at the end. It shows nothing where that is no terminal, and nothing of work that
// takes less than a second.
type progress struct {
	w     io.Writer // nil: not shown
	what  string
	total int64
	now   func() time.Time

	mu    sync.Mutex // what is told while others work erases it
	next  time.Time  // when it shows itself again
	shown bool
}

// progress returns that of work on so many bytes.
func (c call) progress(what string, total int64) *progress {
	p := &progress{what: what, total: total, now: c.on.now}
	if f, ok := c.stderr.(*os.File); ok && total > 0 {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			p.w = c.stderr
			p.next = p.now().Add(time.Second)
			s := screen{unicode: inUTF8(os.Getenv)}
			if p.what = s.text(what); size.Col > 0 {
				p.what = s.cut(p.what, max(1, int(size.Col)-len(": 100 %")-1)) // one line can be erased
			}
		}
	}
	return p
}

// at tells how many bytes are done.
func (p *progress) at(done int64) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(200 * time.Millisecond)
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[K%s: %d %%", p.what, min(100, 100*done/p.total))
}

// end erases the line, until it is shown again. A nil progress has none.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// between returns a writer of lines that erases the progress before each, and writes none
// twice: several readers of a file say the same of it.
func (p *progress) between(w io.Writer) io.Writer {
	return &lines{w: w, p: p, told: map[string]bool{}}
}

type lines struct {
	w    io.Writer
	p    *progress
	mu   sync.Mutex
	told map[string]bool
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told[string(line)] {
		return len(line), nil
	}
	l.told[string(line)] = true
	l.p.end()
	return l.w.Write(line)
}
