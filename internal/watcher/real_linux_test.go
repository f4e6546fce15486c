// SPDX-License-Identifier: BSD-2-Clause

package watcher

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/proc"
)

// watching is a running Watcher of this machine's processes.
type watching struct {
	*Watcher
	t      testing.TB
	events chan Event
}

func watchSystem(t testing.TB, k Kernel, limit int) *watching {
	t.Helper()
	var stopped sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	r := &watching{t: t, events: make(chan Event, 100)}
	r.Watcher = New(Options{Kernel: k, Limit: limit, Emit: func(events []Event) {
		for _, event := range events {
			select {
			case r.events <- event:
			case <-ctx.Done():
			}
		}
	}})
	stopped.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		stopped.Wait()
	})
	return r
}

// next returns the next event. It fails the test if its kind or pid differs.
func (r *watching) next(kind Kind, pid int32) Event {
	r.t.Helper()
	select {
	case event := <-r.events:
		if event.Kind != kind || event.PID != pid {
			r.t.Fatalf("got %+v, want kind %d of pid %d", event, kind, pid)
		}
		return event
	case <-time.After(20 * time.Second):
		r.t.Fatalf("no event, want kind %d of pid %d", kind, pid)
	}
	return Event{}
}

func (r *watching) watch(pid int32) { r.Do([]Order{{Op: Watch, PID: pid}}) }

// startSleep starts a process that lives until it is killed.
func startSleep(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func kernelAtLeast(t testing.TB, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(unix.ByteSliceToString(name.Release[:]), func(r rune) bool { return r < '0' || r > '9' })
	a, _ := strconv.Atoi(words[0])
	b, _ := strconv.Atoi(words[1])
	return a > major || a == major && b >= minor
}

func TestRealProcess(t *testing.T) {
	r := watchSystem(t, System(), 10)
	cmd := startSleep(t)
	pid := int32(cmd.Process.Pid)
	r.watch(pid)
	alive := r.next(Alive, pid)
	if alive.ID.Start == 0 || alive.Token == 0 {
		t.Errorf("%+v, want a start and a token", alive)
	}
	r.watch(pid)
	if again := r.next(Alive, pid); again.Token != alive.Token || again.ID != alive.ID {
		t.Errorf("%+v, want %+v", again, alive)
	}
	killed := time.Now()
	cmd.Process.Kill()
	exited := r.next(Exited, pid)
	if exited.Token != alive.Token || exited.At.Before(killed) || time.Since(exited.At) > time.Second {
		t.Errorf("%+v, want token %d and a time soon after %v", exited, alive.Token, killed)
	}
	if exited.Status.Known && exited.Status.Signal() != 9 {
		t.Errorf("status %v, want signal KILL", exited.Status)
	}
	r.watch(pid) // a zombie
	r.next(Gone, pid)
	cmd.Wait()
	if !kernelAtLeast(t, 6, 9) {
		t.Skip("before Linux 6.9 the kernel does not report that a process was reaped")
	}
	reaped := r.next(Reaped, pid)
	if got := reaped.Status.String(); kernelAtLeast(t, 6, 15) && got != "signal KILL" {
		t.Errorf("status %s, want signal KILL", got)
	}
	r.watch(pid)
	r.next(Gone, pid)
}

func TestRealPolling(t *testing.T) {
	r := watchSystem(t, Polling(System()), 10)
	cmd := startSleep(t)
	pid := int32(cmd.Process.Pid)
	r.watch(pid)
	if alive := r.next(Alive, pid); alive.Token == 0 || alive.ID.Start == 0 || alive.ID.Inode != 0 {
		t.Errorf("%+v, want a token, a start and no inode", alive)
	}
	cmd.Process.Kill()
	if exited := r.next(Exited, pid); !exited.Reaped {
		t.Errorf("%+v, want Reaped", exited)
	}
	cmd.Wait()
	r.watch(pid)
	r.next(Gone, pid)
}

// startMany starts n processes and returns their pids. All exit when stop is
// called. Their parent, a shell, reaps them.
func startMany(t testing.TB, n int) (pids []int32, stop func()) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `exec 3<&0; i=0
		while [ $i -lt `+strconv.Itoa(n)+` ]; do (read line <&3) & echo $!; i=$((i+1)); done
		wait`)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		cmd.Wait()
	})
	t.Cleanup(stop)
	lines := bufio.NewScanner(stdout)
	for len(pids) < n && lines.Scan() {
		pid, err := strconv.ParseInt(lines.Text(), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, int32(pid))
	}
	if len(pids) < n {
		t.Fatalf("started %d processes, want %d", len(pids), n)
	}
	return pids, stop
}

// room raises the limit of open descriptors and returns how many processes, at
// most want, can then be watched.
func room(t testing.TB, want int) int {
	got, err := proc.RaiseLimit(want + 100)
	if err != nil {
		t.Log(err)
	}
	return min(want, got-100)
}

func TestRealMassDeath(t *testing.T) {
	n := room(t, 3000)
	r := watchSystem(t, System(), n)
	pids, stop := startMany(t, n)
	r.watchAll(pids)
	if watched, _ := r.Stats(); watched != n {
		t.Errorf("%d watched, want %d", watched, n)
	}
	go stop()
	r.wantAllEnd(pids)
	stop()
	if watched, _ := r.Stats(); watched != 0 {
		t.Errorf("%d watched after all processes ended, want none", watched)
	}
}

// watchAll watches processes, all of which must be alive.
func (r *watching) watchAll(pids []int32) {
	r.t.Helper()
	var orders []Order
	for _, pid := range pids {
		orders = append(orders, Order{Op: Watch, PID: pid})
	}
	r.Do(orders)
	for _, pid := range pids {
		if event := r.next(Alive, pid); event.Token == 0 {
			r.t.Fatalf("%+v: not watched", event)
		}
	}
}

// wantAllEnd takes events until each process has ended, and been reaped if the
// kernel reports that. Each must be reported once, in this order.
func (r *watching) wantAllEnd(pids []int32) {
	r.t.Helper()
	exited := make(map[int32]bool)
	for left := len(pids); left > 0; {
		event := <-r.events
		switch {
		case event.Kind == Exited && !exited[event.PID]:
			exited[event.PID] = true
			if event.Reaped || !kernelAtLeast(r.t, 6, 9) {
				r.wantExit(event)
				r.Do([]Order{{Op: Forget, Token: event.Token}})
				left--
			}
		case event.Kind == Reaped && exited[event.PID]:
			r.wantExit(event)
			left--
		default:
			r.t.Fatalf("unexpected event %+v", event)
		}
	}
}

// wantExit checks the final status of a process of startMany. The read of its
// shell fails at the end of the file, or the shell exits with 0.
func (r *watching) wantExit(event Event) {
	r.t.Helper()
	if got := event.Status.String(); kernelAtLeast(r.t, 6, 15) && got != "exit 1" && got != "exit 0" {
		r.t.Errorf("pid %d: status %s, want exit 0 or 1", event.PID, got)
	}
}

// TestRealDescriptorLimit checks that with no descriptor left a process is
// still reported as alive, and is watched once there is one again.
func TestRealDescriptorLimit(t *testing.T) {
	r := watchSystem(t, System(), 10)
	first, second := startSleep(t), startSleep(t)
	r.watch(int32(first.Process.Pid))
	r.next(Alive, int32(first.Process.Pid))
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	pid := int32(second.Process.Pid)
	r.watch(pid)
	if event := r.next(Alive, pid); event.Token != 0 {
		t.Errorf("%+v: watched without a descriptor", event)
	}
	first.Process.Kill() // its pidfd is open, so its end is reported
	r.next(Exited, int32(first.Process.Pid))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	r.watch(pid)
	if event := r.next(Alive, pid); event.Token == 0 {
		t.Errorf("%+v: not watched", event)
	}
}

// TestRunFails checks that Run returns the error of a closed poller.
func TestRunFails(t *testing.T) {
	poller, err := System().NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	poller.Close()
	w := New(Options{Kernel: brokenPoller{System(), poller}, Emit: func([]Event) {}})
	if err := w.Run(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Run: %v, want %v", err, os.ErrClosed)
	}
}

type brokenPoller struct {
	Kernel
	poller Poller
}

func (k brokenPoller) NewPoller() (Poller, error) { return k.poller, nil }

func BenchmarkWatch(b *testing.B) {
	r := watchSystem(b, System(), 10)
	pid := int32(os.Getpid())
	b.ReportAllocs()
	for b.Loop() {
		r.watch(pid)
		event := r.next(Alive, pid)
		r.Do([]Order{{Op: Forget, Token: event.Token}})
	}
}

// BenchmarkDeaths measures the time until a thousand simultaneous deaths, and
// their reaping, are reported.
func BenchmarkDeaths(b *testing.B) {
	const n = 1000
	if got := room(b, n); got < n {
		b.Skipf("room for %d processes only", got)
	}
	r := watchSystem(b, System(), n)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		pids, stop := startMany(b, n)
		r.watchAll(pids)
		b.StartTimer()
		go stop()
		for done := 0; done < n; {
			if event := <-r.events; event.Reaped || event.Kind == Reaped {
				done++
			}
		}
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}
