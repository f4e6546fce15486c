// SPDX-License-Identifier: BSD-2-Clause

package recfile

import (
	"context"
	"errors"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/internal/sysfile"
)

// MaxWaiters bounds the threads that wait in the kernel for the locks of one [File] or
// [Log]: one for each file that the name led to, and kind of lock. Where there are as many,
// a lock is tried without waiting in the kernel's queue.
const MaxWaiters = 4

// recheck is how often a waiting call checks whether the name still leads to the file that
// it waits for.
const recheck = time.Second

// gate takes the locks of one name. With sys and name set it is ready for use, by
// many goroutines.
type gate struct {
	sys   sysfile.System
	name  string
	apart string // a name that must lead to another file, "" for none

	mu      sync.Mutex
	waiting map[waitKey]*waiter
}

type waitKey struct {
	gen  snapshot.Generation
	mode sysfile.OpenMode
}

// waiter is a thread in F_OFD_SETLKW. A call that gives up leaves it in the
// kernel's queue, and the next call claims it. So a call that is tried again and
// again keeps its place. A lock that is granted when no call claims it is dropped.
type waiter struct {
	h       sysfile.Handle
	done    chan struct{} // closed when Lock has returned
	err     error         // of Lock; set before done is closed
	claims  int           // calls that wait for done
	granted bool          // h is locked, and no call has taken it
}

// lock opens the file that the name leads to and locks it, waiting until ctx
// ends. With want not zero, another file is [ErrReplaced]. The caller closes
// the handle, which unlocks it.
func (g *gate) lock(ctx context.Context, mode sysfile.OpenMode, want snapshot.Generation) (sysfile.Handle, sysfile.Info, error) {
	for {
		h, info, err := g.try(ctx, mode, want)
		if err != nil {
			return nil, sysfile.Info{}, err
		}
		if h == nil {
			continue // the file was replaced during the wait
		}
		now, err := g.sys.Lookup(g.name)
		if err == nil && now.Generation == info.Generation {
			// Its size may have changed in the queue.
			if info, err = h.Info(); err == nil {
				err = g.apartFrom(info.Generation)
			}
			if err == nil {
				return h, info, nil
			}
		}
		h.Close()
		if err != nil {
			return nil, sysfile.Info{}, err
		}
		if ctx.Err() != nil {
			return nil, sysfile.Info{}, g.locked(ctx, info.Generation, mode)
		}
	}
}

// try locks the file that the name leads to at this moment. It returns no
// handle if that changed during the wait.
func (g *gate) try(ctx context.Context, mode sysfile.OpenMode, want snapshot.Generation) (sysfile.Handle, sysfile.Info, error) {
	h, err := g.sys.Open(g.name, mode)
	if err != nil {
		return nil, sysfile.Info{}, err
	}
	info, err := h.Info()
	if err == nil && want != (snapshot.Generation{}) && info.Generation != want {
		err = ErrReplaced
	}
	if err == nil {
		err = h.TryLock(mode.LockKind())
	}
	if err == nil {
		return h, info, nil
	}
	if !errors.Is(err, sysfile.ErrLocked) {
		h.Close()
		return nil, sysfile.Info{}, err
	}
	w := g.claim(h, waitKey{info.Generation, mode})
	if w == nil {
		h.Close()
		return nil, sysfile.Info{}, g.locked(ctx, info.Generation, mode)
	}
	h, err = g.wait(ctx, w, waitKey{info.Generation, mode})
	return h, info, err
}

// claim joins the waiter of that key and closes h. If there is none, it makes one
// of h. If there are too many, it returns nil and leaves h open.
func (g *gate) claim(h sysfile.Handle, key waitKey) *waiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w := g.waiting[key]; w != nil {
		w.claims++
		h.Close()
		return w
	}
	if len(g.waiting) >= MaxWaiters {
		return nil
	}
	w := &waiter{h: h, done: make(chan struct{}), claims: 1}
	if g.waiting == nil {
		g.waiting = make(map[waitKey]*waiter)
	}
	g.waiting[key] = w
	go func() {
		w.err = w.h.Lock(key.mode.LockKind())
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.waiting, key)
		w.granted = w.err == nil
		if w.err != nil {
			w.h.Close()
		}
		g.dropUnclaimed(w)
		close(w.done)
	}()
	return w
}

// dropUnclaimed closes the handle of a waiter that has the lock, if no call claims
// it. Closing drops the lock.
func (g *gate) dropUnclaimed(w *waiter) {
	if w.granted && w.claims == 0 {
		w.granted = false
		w.h.Close()
	}
}

// wait returns the waiter's handle, locked. It returns none if another call took
// it, or if the name leads to another file now; then the caller begins again.
func (g *gate) wait(ctx context.Context, w *waiter, key waitKey) (sysfile.Handle, error) {
	timer := time.NewTicker(recheck)
	defer timer.Stop()
	for {
		select {
		case <-w.done:
			return g.take(w)
		case <-timer.C:
			now, err := g.sys.Lookup(g.name)
			if err != nil || now.Generation != key.gen {
				g.giveUp(w)
				return nil, err
			}
		case <-ctx.Done():
			g.giveUp(w)
			return nil, g.locked(ctx, key.gen, key.mode)
		}
	}
}

func (g *gate) take(w *waiter) (sysfile.Handle, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.claims--
	if w.err != nil {
		return nil, w.err
	}
	if !w.granted {
		return nil, nil
	}
	w.granted = false
	return w.h, nil
}

func (g *gate) giveUp(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.claims--
	select {
	case <-w.done:
		g.dropUnclaimed(w)
	default:
	}
}

// locked returns the error of a lock that was not granted, with its holder.
func (g *gate) locked(ctx context.Context, gen snapshot.Generation, mode sysfile.OpenMode) error {
	e := &LockedError{Name: g.name, Cause: context.Cause(ctx)}
	if h, err := g.sys.Open(g.name, sysfile.ReadUnseen); err == nil {
		defer h.Close()
		if info, err := h.Info(); err == nil && info.Generation == gen {
			e.PID, _, _ = h.Holder(mode.LockKind())
		}
	}
	return e
}

// holder returns a process whose lock stops a writer now.
func (g *gate) holder() (pid int32, ok bool, err error) {
	h, err := g.sys.Open(g.name, sysfile.ReadUnseen)
	if err != nil {
		return 0, false, wrap("open", g.name, err)
	}
	defer h.Close()
	pid, _, err = h.Holder(sysfile.WriteLock)
	return pid, pid > 0, wrap("ask for the lock's holder of", g.name, err)
}

// sync makes the file durable that the name leads to. It takes no lock.
func (g *gate) sync() error {
	h, err := g.sys.Open(g.name, sysfile.ReadUnseen)
	if err != nil {
		return wrap("open", g.name, err)
	}
	defer h.Close()
	return wrap("sync", g.name, h.Sync())
}

// Hold opens a file and takes the lock that mode needs, as [File] and [Log] do: under the
// lock the name leads to the file. The caller closes the handle, which drops the lock. It
// gives up with a [LockedError] when ctx ends first.
func Hold(ctx context.Context, sys sysfile.System, name string, mode sysfile.OpenMode) (sysfile.Handle, sysfile.Info, error) {
	g := gate{sys: sys, name: name}
	return g.lock(ctx, mode, snapshot.Generation{})
}
