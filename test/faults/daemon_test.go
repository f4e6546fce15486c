// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience limits a wait whose length does not matter to the test.
const patience = 90 * time.Second

// daemon is a running utmpd in a world.
type daemon struct {
	w      *world
	pid    int
	done   chan struct{} // closed when it has ended
	status syscall.WaitStatus
	err    error
	ready  atomic.Bool
	tr     *tracer // nil: not traced
}

// start runs utmpd in the world, under the tracer if there is one.
func (w *world) start(tr *tracer) (*daemon, error) {
	d := &daemon{w: w, tr: tr, done: make(chan struct{})}
	log, err := os.OpenFile(w.in("log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	args := []string{"utmpd", "-foreground", "-config", w.in("conf")}
	env := []string{"NOTIFY_SOCKET=" + w.in("notify"), "TZ=UTC"}
	files := []*os.File{null, log, log}
	if tr != nil {
		tr.dir, tr.conf = w.dir, "conf"
		started := make(chan int)
		go func() {
			d.status, d.err = tr.run(host.utmpd, args, env, files, started)
			close(d.done)
		}()
		d.pid = <-started
	} else {
		p, err := spawn(host.utmpd, args, env, files)
		if err != nil {
			return nil, errors.Join(err, log.Close(), null.Close())
		}
		d.pid = p.Pid
		go func() {
			state, err := p.Wait()
			if d.err = err; err == nil {
				d.status = state.Sys().(syscall.WaitStatus)
			}
			close(d.done)
		}()
	}
	return d, errors.Join(log.Close(), null.Close())
}

// over reports whether the daemon has ended.
func (d *daemon) over() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// isReady reports whether READY=1 was received.
func (d *daemon) isReady() bool {
	b := make([]byte, 4096)
	for !d.ready.Load() {
		_ = d.w.notify.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := d.w.notify.Read(b)
		if err != nil {
			return false
		}
		d.ready.Store(strings.Contains(string(b[:n]), "READY=1"))
	}
	return true
}

// await waits for cond or the daemon's end and returns which came first.
func (d *daemon) await(what string, limit time.Duration, cond func() bool) (ok bool, err error) {
	for late := time.Now().Add(limit); ; {
		if cond() {
			return true, nil
		}
		if d.over() {
			return cond(), nil
		}
		if time.Now().After(late) {
			return false, fmt.Errorf("waited %v for %s", limit, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// stop ends the daemon as a service manager does and returns how it ended.
func (d *daemon) stop() error {
	_ = unix.Kill(d.pid, unix.SIGTERM)
	if _, err := d.await("the end after SIGTERM", patience, d.over); err != nil {
		return err
	}
	return d.ended()
}

// ended returns how the daemon ended, nil for exit status 0.
func (d *daemon) ended() error {
	switch {
	case d.err != nil:
		return d.err
	case d.status.Signaled():
		return fmt.Errorf("ended by %v", d.status.Signal())
	case d.status.ExitStatus() != 0:
		return fmt.Errorf("ended with exit %d", d.status.ExitStatus())
	}
	return nil
}

// kill ends the daemon if it still runs.
func (d *daemon) kill() {
	if !d.over() {
		_ = unix.Kill(d.pid, unix.SIGKILL)
		<-d.done
	}
}

// ended reports whether a child process is a zombie or gone.
func ended(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
}

// spawn starts a process from a thread that does nothing else. Children belong to the
// thread that started them, and a tracing thread waits for all of its own.
func spawn(path string, args, env []string, files []*os.File) (p *os.Process, err error) {
	done := make(chan struct{})
	host.spawner <- func() {
		p, err = os.StartProcess(path, args, &os.ProcAttr{Env: env, Files: files})
		close(done)
	}
	<-done
	return p, err
}

func spawner() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
}
