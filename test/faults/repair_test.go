// SPDX-License-Identifier: BSD-2-Clause

//go:build system && linux && amd64

package faults

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

const phaseRepair = "repair"

// damaged is a file that `utmpctl repair` is to repair.
type damaged struct {
	dir, file string
	was, want string // its bytes before and afterwards
	late      string // a record that a writer appends, which had the file open before
	table     bool   // it is a utmpx file
}

func newDamaged(base string) (*damaged, error) {
	dir, err := os.MkdirTemp(host.dir, "r")
	if err != nil {
		return nil, err
	}
	d := &damaged{dir: dir, file: filepath.Join(dir, base), table: base == "utmp"}
	raw := func(n int) string {
		r := utmpx.Record{Type: utmpx.UserProcess, PID: int32(100 + n), Line: fmt.Sprint(linePrefix, n), ID: fmt.Sprint(n), User: "alice", Host: "desk", Time: utmpx.Time{Sec: 1_790_000_000 + int64(n)}}
		b, err := utmpx.Native().Encode(r)
		if err != nil {
			panic(err) // the test's own records are valid
		}
		return string(b)
	}
	for n := range 30 {
		d.want += raw(n)
	}
	half := len(d.want) / 2
	d.was = d.want[:half] + torn + d.want[half:] + d.want[:100]
	d.late = raw(77)
	conf := fmt.Sprintf("UTMPX_FILE=%[1]s/utmp\nWTMPX_FILE=%[1]s/wtmp\nSTATE_DIR=%[1]s/state\n", dir)
	return d, errors.Join(os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644), os.WriteFile(d.file, []byte(d.was), 0o664))
}

func (d *damaged) args() []string {
	return []string{"utmpctl", "repair", "-config", filepath.Join(d.dir, "conf"), d.file}
}

// repair repairs the file, under a tracer if there is one.
func (d *damaged) repair(tr *tracer) (syscall.WaitStatus, error) {
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	files := []*os.File{nil, log, log}
	if tr == nil {
		p, err := spawn(host.utmpctl, d.args(), []string{"TZ=UTC"}, files)
		if err != nil {
			return 0, err
		}
		state, err := p.Wait()
		if err != nil {
			return 0, err
		}
		return state.Sys().(syscall.WaitStatus), nil
	}
	tr.dir, tr.conf = d.dir, "conf"
	type end struct {
		ws  syscall.WaitStatus
		err error
	}
	started, done := make(chan int, 1), make(chan end)
	go func() {
		ws, err := tr.run(host.utmpctl, d.args(), []string{"TZ=UTC"}, files, started)
		done <- end{ws, err}
	}()
	e := <-done
	return e.ws, e.err
}

// writeLate appends the late record once another file has the name. It reports whether it
// did when over is closed.
func (d *damaged) writeLate(over <-chan struct{}) func() (bool, error) {
	f, err := os.OpenFile(d.file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return func() (bool, error) { return false, err }
	}
	before, err := f.Stat()
	type result struct {
		wrote bool
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer f.Close()
		for last := false; err == nil; {
			now, lost := os.Stat(d.file)
			if lost != nil {
				done <- result{false, lost} // there is a file under the name at any moment
				return
			}
			if !os.SameFile(now, before) {
				_, err := f.WriteString(d.late)
				done <- result{true, err}
				return
			}
			if last {
				break
			}
			select {
			case <-over:
				last = true
			case <-time.After(time.Millisecond):
			}
		}
		done <- result{false, err}
	}()
	return func() (bool, error) {
		r := <-done
		return r.wrote, r.err
	}
}

// treat has the file repaired under a fault, and then once more, and returns what is
// wrong.
func treat(base string, p *point) (map[at]int, error) {
	d, err := newDamaged(base)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(d.dir)
	over := make(chan struct{})
	wrote := func() (bool, error) { return false, nil }
	if !d.table {
		wrote = d.writeLate(over)
	}
	tr := &tracer{strike: p, phase: phaseRepair}
	_, err = d.repair(tr)
	close(over)
	late, lateErr := wrote()
	if err := errors.Join(err, lateErr); err != nil {
		return nil, err
	}
	if err := d.whole(late); err != nil {
		return tr.counts, d.explain(err)
	}
	if ws, err := d.repair(nil); err != nil || ws.ExitStatus() != 0 {
		return tr.counts, d.explain(fmt.Errorf("the next repair: %v, %v", ws, err))
	}
	if err := d.repaired(late); err != nil {
		return tr.counts, d.explain(err)
	}
	if p != nil && !tr.hit {
		return tr.counts, errNotHit
	}
	return tr.counts, nil
}

func (d *damaged) explain(err error) error {
	log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	left, _ := os.ReadDir(d.dir)
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	return fmt.Errorf("%w\n%s\n%s", err, strings.Join(names, " "), log)
}

// whole checks that one of the two whole files is there: under the name, or, of a utmpx
// file that is repaired in place, as its copy.
func (d *damaged) whole(late bool) error {
	b, err := os.ReadFile(d.file)
	if err != nil {
		return err
	}
	now := string(b)
	old := strings.HasPrefix(now, d.was) && strings.Trim(now[len(d.was):], "\x00") == ""
	switch {
	case old, now == d.want, late && now == d.want+d.late:
		return nil
	case !d.table:
		return fmt.Errorf("neither of the two files, but %d bytes", len(now))
	}
	copies, _ := filepath.Glob(d.file + ".damaged-*")
	for _, c := range copies {
		if b, err := os.ReadFile(c); err == nil && string(b) == d.was {
			return nil
		}
	}
	return errors.New("the file is half repaired, and there is no copy")
}

// repaired checks that everything is done, and nothing left behind.
func (d *damaged) repaired(late bool) error {
	want := d.want
	if late {
		want += d.late
	}
	b, err := os.ReadFile(d.file)
	if err != nil || string(b) != want {
		return fmt.Errorf("%d bytes, want %d; %v", len(b), len(want), err)
	}
	copies := 0
	left, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range left {
		switch name := e.Name(); {
		case strings.Contains(name, ".damaged-"):
			b, err := os.ReadFile(filepath.Join(d.dir, name))
			if err != nil {
				return err
			}
			if strings.HasPrefix(string(b), d.was) {
				copies++
			}
		case strings.Contains(name, ".unfinished-"), strings.HasSuffix(name, ".repairing"):
			return fmt.Errorf("%s was left behind", name)
		}
	}
	if copies == 0 {
		return errors.New("the old file is gone")
	}
	return nil
}

// TestRepairStruck kills `utmpctl repair` before and after each of its calls, and makes
// each of them fail.
func TestRepairStruck(t *testing.T) {
	for _, base := range []string{"wtmp", "utmp"} {
		counts, err := treat(base, nil)
		if err != nil {
			t.Fatal(base, err)
		}
		var points []point
		for _, where := range slices.SortedFunc(maps.Keys(counts), byName) {
			for n := range min(counts[where], 6) {
				at := point{where.phase, where.kind, n + 1, killBefore, 0}
				points = append(points, at)
				at.blow = killAfter
				points = append(points, at)
				if strings.HasPrefix(where.kind, byRuntime) {
					continue
				}
				at.blow, at.errno = fail, errnos[(n+len(points))%len(errnos)]
				points = append(points, at)
			}
		}
		if *only != "" {
			points = slices.DeleteFunc(points, func(p point) bool { return !strings.Contains(p.String(), *only) })
		}
		missed := make([]bool, len(points))
		each(len(points), func(i int) {
			_, err := treat(base, &points[i])
			if missed[i] = errors.Is(err, errNotHit); err != nil && !missed[i] {
				t.Errorf("%s: %v:\n%v", base, points[i], err)
			}
		})
		n := 0
		for _, m := range missed {
			if m {
				n++
			}
		}
		t.Logf("%s: %d points, %d of them not hit", base, len(points), n)
		if 5*n > len(points) {
			t.Errorf("%s: %d of %d points were not hit", base, n, len(points))
		}
	}
}
