// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"errors"
	"fmt"
	"time"
)

// ErrHangs is the error of a log whose file system has not answered a call for seconds:
// a disk that hangs, a frozen file system, a server that is away.
var ErrHangs = errors.New("the file system has not answered")

// hangPatience is how long a call may take, beside its wait for a lock.
const hangPatience = 2 * time.Second

// syncPatience is how long a sync may take that nothing waits for.
const syncPatience = 5 * time.Second

// finishPatience is how long the last syncs may take.
const finishPatience = 4 * time.Second

// besideSync is how long a sync may have taken when a call on the same file begins beside it.
// One that takes longer may take forever, and the call might then have to wait for it in the
// kernel, with the lock.
const besideSync = 100 * time.Millisecond

// desk has calls on one file carried out one at a time, each in a goroutine of its own. Nothing ends a call that the kernel does not give back. So while one is out,
// perhaps with the lock, no other is begun.
type desk struct {
	stays bool                  // wait for a call in any case, but tell
	out   chan struct{}         // closed once the last call is back; nil: there was none
	since time.Time             // when it began
	hangs bool                  // it was waited for in vain
	tell  func(since time.Time) // that it hangs, and, with a zero time, that it is back
	back  func()                // called once a call is back that was given up, in another goroutine
}

// call runs f and returns nil once f is back. If f, or the call before it, takes longer
// than wait and hangPatience, the error is ErrHangs, unless the desk stays. f then goes
// on: the caller must not touch what f uses.
func (d *desk) call(wait time.Duration, f func()) error {
	limit := time.NewTimer(wait + hangPatience)
	defer limit.Stop()
	if err := d.wait(limit.C); err != nil {
		return err
	}
	d.send(f)
	return d.wait(limit.C)
}

// begin has f run and does not wait for it. back is called once f is back, and when it has
// taken syncPatience. The desk must be free.
func (d *desk) begin(f, back func()) {
	d.send(f)
	go func(out <-chan struct{}) {
		late := time.AfterFunc(syncPatience, back)
		<-out
		late.Stop()
		back()
	}(d.out)
}

// free reports whether no call is out. It does not wait. It tells of one that hangs, and of
// one that is back.
func (d *desk) free() bool {
	busy := d.busy()
	switch {
	case busy && time.Since(d.since) >= syncPatience:
		d.hang()
	case !busy && d.hangs:
		d.hangs = false
		d.tell(time.Time{})
	}
	return !busy
}

// beside returns nil if a call on the file may begin beside the one that is out here. It waits
// for one that takes long, as call does.
func (d *desk) beside(wait time.Duration) error {
	if !d.long() {
		return nil
	}
	limit := time.NewTimer(wait + hangPatience)
	defer limit.Stop()
	return d.wait(limit.C)
}

// long reports whether a call is out that no other may begin beside.
func (d *desk) long() bool {
	return d.busy() && (d.hangs || time.Since(d.since) >= besideSync)
}

// busy reports whether a call is out.
func (d *desk) busy() bool {
	if d.out == nil {
		return false
	}
	select {
	case <-d.out:
		return false
	default:
		return true
	}
}

func (d *desk) send(f func()) {
	out := make(chan struct{})
	d.out, d.since = out, time.Now()
	go func() {
		defer close(out)
		f()
	}()
}

// wait waits for the call that is out. One that was waited for in vain delays nothing
// again.
func (d *desk) wait(limit <-chan time.Time) error {
	if d.free() {
		return nil
	}
	if d.hangs && !d.stays {
		return d.noAnswer()
	}
	select {
	case <-d.out:
	case <-limit:
		d.hang()
		if !d.stays {
			go func(out <-chan struct{}) {
				<-out
				d.back()
			}(d.out)
			return d.noAnswer()
		}
		<-d.out
	}
	d.free()
	return nil
}

// hang tells, once, that the call that is out hangs.
func (d *desk) hang() {
	if !d.hangs {
		d.hangs = true
		d.tell(d.since)
	}
}

func (d *desk) noAnswer() error {
	return fmt.Errorf("%w since %s", ErrHangs, d.since.Format(time.RFC3339))
}
