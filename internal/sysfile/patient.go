// SPDX-License-Identifier: BSD-2-Clause

package sysfile

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// lookupPatience is how long a look-up by [Patient] may take.
const lookupPatience = 2 * time.Second

// MaxLate bounds the look-ups of one [Patient] that are given up and not back.
const MaxLate = 4

// Patient returns a system whose Lookup gives up: a server that is away may answer nothing,
// and who asks whether two names are one file's must not wait for it, perhaps with the lock
// of the other one. The error is then [os.ErrDeadlineExceeded]. Until that look-up is back, no
// other one of the name is begun.
func Patient(sys System) System { return &patient{System: sys, late: map[string]bool{}} }

type patient struct {
	System
	mu   sync.Mutex
	late map[string]bool
}

// looked is what a look-up has found.
type looked struct {
	info Info
	err  error
}

func (p *patient) Lookup(name string) (Info, error) {
	p.mu.Lock()
	late := p.late[name] || len(p.late) >= MaxLate
	p.mu.Unlock()
	if late {
		return Info{}, noAnswer(name)
	}
	found := make(chan looked, 1) // nobody may wait any more
	go func() {
		info, err := p.System.Lookup(name)
		found <- looked{info, err}
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.late, name)
	}()
	timer := time.NewTimer(lookupPatience)
	defer timer.Stop()
	select {
	case l := <-found:
		return l.info, l.err
	case <-timer.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case l := <-found: // just now
		return l.info, l.err
	default:
	}
	p.late[name] = true
	return Info{}, noAnswer(name)
}

func noAnswer(name string) error {
	return fmt.Errorf("look up %s: %w: the file system does not answer", name, os.ErrDeadlineExceeded)
}
