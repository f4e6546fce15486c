// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// The ways to deal with ghosts that compare sets side by side.
const (
	nothing  = "nothing"
	cronJob  = "cron job"
	ancestor = "ancestor"
)

var compared = []string{nothing, cronJob, ancestor, ours}

const (
	compareSize = 100 // sessions at the start, and one whose pid another process has got
	compareNew  = 10  // sessions that begin later
	compareDead = 20  // of all these die, half of them new
	// compareStorm is the number of sessions that die at once.
	compareStorm = 2000
)

// rival is one way at work on files of its own.
type rival struct {
	name     string
	crowd    *crowd
	p        *place
	r        *running // nil for nothing and the cron job
	deaths   map[int]time.Time
	wrong    map[int]time.Duration // of each pid that died, how long its record was wrong
	children time.Duration         // processor time of the cron job's runs
	script   string
}

// compare: utmpd with its defaults beside the ancestor's algorithm, a cron job and nothing,
// at the same time. Twenty of 110 sessions are killed, one after the other; the pid of one
// more belongs to another process. Then many are killed at once.
func (b *bench) compare() error {
	var all, calm []*rival // beside the calm ones, nobody comes or goes
	defer func() {
		for _, r := range slices.Concat(all, calm) {
			r.close()
		}
	}()
	for _, name := range compared {
		for _, list := range []*[]*rival{&all, &calm} {
			r, err := b.newRival(name, compareSize)
			if err != nil {
				return err
			}
			*list = append(*list, r)
		}
	}
	if err := b.compareDay(all, calm); err != nil {
		return err
	}
	return b.compareStorms()
}

// newRival starts one beside n sessions and a ghost whose pid belongs to another process.
func (b *bench) newRival(name string, n int) (*rival, error) {
	if name == cronJob {
		for _, program := range []string{"who", "awk", "utmpdump"} {
			if _, err := exec.LookPath(program); err != nil {
				return nil, err
			}
		}
	}
	r := &rival{name: name, deaths: map[int]time.Time{}, wrong: map[int]time.Duration{}}
	var err error
	if r.crowd, err = b.newCrowd(n + 1); err != nil {
		return nil, err
	}
	if r.p, err = b.newPlace(r.crowd.pids, ""); err == nil {
		err = errors.Join(r.reuse(), r.install(b))
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// reuse makes the first session one of an hour ago. Its process is younger.
func (r *rival) reuse() error {
	record := layout.Decode(string(r.p.view[layout.Size() : 2*layout.Size()]))
	record.Time = utmpx.TimeOf(time.Now().Add(-time.Hour))
	raw, err := layout.AppendEncode(nil, record)
	must(err)
	for _, name := range []string{r.p.utmp, r.p.wtmp} {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(raw, int64(layout.Size()))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// install starts the program, or writes the cron job.
func (r *rival) install(b *bench) error {
	var c contestant
	switch r.name {
	case ours:
		c = b.daemons()[0]
	case ancestor:
		c = contestant{ancestor, func(p *place) *exec.Cmd { return exec.Command(b.tools.ancestor, p.utmp, p.wtmp, p.pipe) }}
	case cronJob:
		source, err := sources.ReadFile("c/cron.sh")
		if err != nil {
			return err
		}
		r.script = filepath.Join(r.p.ram, "cron.sh")
		return os.WriteFile(r.script, source, 0o600)
	default:
		return nil
	}
	var err error
	if r.r, err = c.start(r.p); err != nil {
		return err
	}
	return r.r.watches(len(r.crowd.pids) - 1) // one pid is another process's
}

func (r *rival) close() {
	if r.r != nil {
		r.r.stop()
	}
	if r.p != nil {
		r.p.close()
	}
	r.crowd.close()
}

// login adds a session as pututxline(3) does. As the ancestor's own C library does, it tells
// the ancestor.
func (r *rival) login(ctx context.Context, pid, i int) error {
	f := utmpfile.NewFile(r.p.utmp, nil)
	record := utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(pid), Line: fmt.Sprintf("pts/2%05d", i), ID: fmt.Sprintf("n%d", i),
		User: "bob", Time: utmpx.TimeOf(time.Now()),
	}
	if _, err := f.Put(ctx, record); err != nil {
		return err
	}
	if err := utmpfile.NewLog(r.p.wtmp, nil).Append(ctx, record); err != nil {
		return err
	}
	if r.name != ancestor {
		return nil
	}
	pipe, err := os.OpenFile(r.p.pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	request := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 1), uint32(pid))
	_, err = pipe.Write(request)
	return errors.Join(err, pipe.Close())
}

// look notes whose records are right now.
func (r *rival) look(at time.Time) {
	data, err := os.ReadFile(r.p.utmp) // the cron job cuts it off for a moment
	if err != nil || len(data) < r.p.lines*layout.Size() {
		return
	}
	on := map[int]bool{}
	for block := range slices.Chunk(data, layout.Size()) {
		if record := layout.Decode(string(block)); record.Type == utmpx.UserProcess {
			on[int(record.PID)] = true
		}
	}
	for pid, died := range r.deaths {
		if _, known := r.wrong[pid]; !known && !on[pid] {
			r.wrong[pid] = at.Sub(died)
		}
	}
}

// cron runs the cron job, if there is one.
func (r *rival) cron() error {
	if r.name != cronJob {
		return nil
	}
	cmd := exec.Command("/bin/sh", r.script, r.p.utmp)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cronJob, err, bytes.TrimSpace(out))
	}
	r.children += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return nil
}

// used is the processor time until now.
func (r *rival) used() time.Duration {
	if r.r == nil {
		return r.children
	}
	return processorTime(r.r.pid)
}

// compareDay lets all of them work for a period and a half. What the calm ones
// take is that of its last period.
func (b *bench) compareDay(all, calm []*rival) error {
	var fresh []*crowd
	for _, r := range all {
		c, err := b.newCrowd(compareNew)
		if err != nil {
			return err
		}
		defer c.close()
		fresh = append(fresh, c)
		for i, pid := range c.pids {
			if err := r.login(b.ctx, pid, i); err != nil {
				return err
			}
		}
	}
	nap(after)
	began := time.Now()
	for _, r := range all {
		r.deaths[r.crowd.pids[0]] = began // the ghost that was there before
	}
	before := map[*rival]time.Duration{}
	crons, next := 0, 0 // how often the cron job ran, and the next to be killed
	for at := began; at.Sub(began) < b.period*3/2; at = time.Now() {
		for _, r := range all {
			r.look(at)
		}
		// The deaths are spread over the period, as the cron job's minute knows nothing of them.
		if next < compareDead && at.Sub(began) > b.period*time.Duration(2*next+1)/(2*compareDead) {
			for i, r := range all {
				if err := r.kill([]*crowd{fresh[i], r.crowd}[next%2]); err != nil {
					return err
				}
			}
			next++
		}
		if at.Sub(began) > b.period*time.Duration(crons+1) {
			for _, r := range slices.Concat(all, calm) {
				if err := r.cron(); err != nil {
					return err
				}
			}
			crons++
		}
		if len(before) == 0 && at.Sub(began) > b.period/2 {
			for _, r := range calm {
				before[r] = r.used()
			}
		}
		if err := b.wait(10 * time.Millisecond); err != nil {
			return err
		}
	}
	b.reportDay(all, before)
	return nil
}

// kill kills the youngest process of a crowd.
func (r *rival) kill(c *crowd) error {
	pid := c.pids[len(c.pids)-1]
	r.deaths[pid] = time.Now()
	return c.killOne()
}

// reportDay computes the figures. A calm minute's processor time is known from its start.
func (b *bench) reportDay(all []*rival, before map[*rival]time.Duration) {
	n := compareSize + compareNew
	left := b.figure("compare", n, fmt.Sprintf("ghosts left, of %d", compareDead+1), "", goal{Most: 0.5})
	worst := b.figure("compare", n, "until the last of their records is right", "s", goal{})
	logouts := b.figure("compare", n, fmt.Sprintf("logouts in wtmp, of %d", compareDead+1), "", goal{})
	day := b.figure("compare", n, "processor in a day", "s", goal{})
	for _, r := range all {
		var waits []float64
		for _, d := range r.wrong {
			waits = append(waits, seconds(d))
		}
		left.add(r.name, float64(len(r.deaths)-len(r.wrong)))
		logouts.add(r.name, float64(r.logouts()))
		if len(waits) > 0 {
			worst.add(r.name, slices.Max(waits))
		}
	}
	for r, used := range before {
		day.add(r.name, seconds(r.used()-used)*float64(24*time.Hour/b.period))
	}
}

// logouts returns how many of the deaths have a logout in wtmp.
func (r *rival) logouts() (n int) {
	data, err := os.ReadFile(r.p.wtmp)
	if err != nil {
		return 0
	}
	for block := range slices.Chunk(data, layout.Size()) {
		record := layout.Decode(string(block))
		if _, of := r.deaths[int(record.PID)]; of && record.Type == utmpx.DeadProcess {
			n++
		}
	}
	return n
}

// compareStorms measures how long it takes until the records of many that die at once are
// right. The cron job's minute comes on top of its time.
func (b *bench) compareStorms() error {
	f := b.figure("compare", compareStorm, "killed at once: until the last record is right", "s", goal{})
	for range b.runs {
		for _, name := range compared[1:] {
			took, err := b.compareStorm(name)
			if err != nil {
				return err
			}
			f.add(name, seconds(took))
		}
	}
	return nil
}

func (b *bench) compareStorm(name string) (time.Duration, error) {
	r, err := b.newRival(name, compareStorm)
	if err != nil {
		return 0, err
	}
	defer r.close()
	nap(after)
	began := time.Now()
	for _, pid := range r.crowd.pids[1:] {
		r.deaths[pid] = began
	}
	if err := r.crowd.killAll(); err != nil {
		return 0, err
	}
	if name == cronJob { // takes zombies for alive, so it runs when they are gone
		nap(after)
		began = time.Now()
		if err := r.cron(); err != nil {
			return 0, err
		}
	}
	for len(r.wrong) < len(r.deaths) {
		r.look(time.Now())
		if time.Since(began) > longest {
			return 0, fmt.Errorf("%s: %w", name, errSlow)
		}
		if err := b.wait(10 * time.Millisecond); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// comparison is a table of the medians in Markdown.
func comparison(figures []*figure) string {
	var s strings.Builder
	s.WriteString("| | nothing | a cron job | Solaris' way | utmpd |\n|---|---|---|---|---|\n")
	for _, f := range figures {
		if f.Case != "compare" {
			continue
		}
		what := f.What
		if f.N == compareStorm {
			what = fmt.Sprintf("%d %s", f.N, what)
		}
		if f.Unit != "" {
			what += ", " + f.Unit
		}
		fmt.Fprintf(&s, "| %s |", what)
		for _, who := range compared {
			cell := "–"
			if v := median(f.Runs[who]); !math.IsNaN(v) && f.Unit == "" {
				cell = fmt.Sprint(v)
			} else if !math.IsNaN(v) {
				cell = short(v)
			}
			fmt.Fprintf(&s, " %s |", cell)
		}
		s.WriteString("\n")
	}
	return s.String()
}
