// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// historyLines is the number of lines in a long log.
const historyLines = 80

// historyStep is the time from one record of a long log to the next. The last is of now.
const historyStep = 2 * time.Second

// history creates a log of ended sessions with the given number of records and returns its
// name. It creates the log once.
func (b *bench) history() (string, error) {
	name := filepath.Join(b.tools.disk, "history")
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	record := make([]byte, 0, layout.Size())
	began := time.Now().Add(-time.Duration(b.log) * historyStep)
	for i := range b.log {
		r := utmpx.Record{
			Type: utmpx.UserProcess, PID: int32(1000 + i/2%30000), Line: fmt.Sprintf("pts/2%05d", i/2%historyLines),
			ID: "h", User: "alice", Host: "desk.example.org", Time: utmpx.TimeOf(began.Add(time.Duration(i) * historyStep)),
		}
		if i%2 == 1 {
			r.Type, r.User = utmpx.DeadProcess, ""
		}
		record, err = layout.AppendEncode(record[:0], r)
		must(err)
		if _, err := w.Write(record); err != nil {
			return "", err
		}
	}
	return name, w.Flush()
}

// appends is the number of records that a run of wtmp appends.
const appends = 20_000

// wtmp: the speed of appending to a log.
func (b *bench) wtmp() error {
	name, err := b.history()
	if err != nil {
		return err
	}
	return b.appendAt(name)
}

// iterate measures the reading of a log through utmpfile's Log, beside cat(1): records that
// stay as they are, and such as are overwritten by the next. What it costs to read the bytes and do nothing else
// stands beside.
func (b *bench) iterate(name string) error {
	kept := utmpfile.NewLog(name, nil)
	reused := utmpfile.NewLog(name, &utmpfile.Options{Reuse: true})
	ways := []struct {
		what    string
		log     *utmpfile.Log
		forward bool
		goal    float64
		f       *figure
	}{
		{"utmpfile, forward", kept, true, 3, nil},
		{"utmpfile, backward", kept, false, 3, nil},
		{"utmpfile, forward, memory reused", reused, true, 1.5, nil},
		{"utmpfile, backward, memory reused", reused, false, 1.5, nil},
	}
	for i, way := range ways {
		ways[i].f = b.figure("read", b.log, way.what, "s", goal{Other: floor, Times: way.goal})
	}
	alone := b.figure("read", b.log, "read(2) alone, into one buffer", "s", goal{Other: floor})
	for range b.runs {
		at := time.Now()
		if err := readAlone(name); err != nil {
			return err
		}
		alone.add(ours, seconds(time.Since(at)))
		for _, way := range ways {
			at := time.Now()
			if err := b.count(way.log, way.forward); err != nil {
				return err
			}
			way.f.add(ours, seconds(time.Since(at)))
			at = time.Now()
			if err := cat(name); err != nil {
				return err
			}
			way.f.add(floor, seconds(time.Since(at)))
			if err := b.ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// readAlone reads a file into one buffer of the size of a block of utmpfile's, and looks at
// nothing: the least that a program does which has all bytes in its memory once. cat(1) reads
// 128 kB at a time here, and writes each piece to /dev/null; another one may leave the bytes in
// the kernel.
func readAlone(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	buffer := make([]byte, 512*layout.Size())
	for {
		if _, err := f.Read(buffer); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// cat reads a file with cat(1), as the floor does.
func cat(name string) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	cmd := exec.Command("cat", name)
	cmd.Stdout = null
	return cmd.Run()
}

// count reads the whole log, record by record.
func (b *bench) count(l *utmpfile.Log, forward bool) error {
	records := l.Backward(b.ctx)
	if forward {
		records = l.Forward(b.ctx)
	}
	n := 0
	for e, err := range records {
		if err != nil {
			return err
		}
		if e.Type == utmpx.UserProcess || e.Type == utmpx.DeadProcess {
			n++
		}
	}
	if n != b.log {
		return fmt.Errorf("%d records read, want %d", n, b.log)
	}
	return nil
}

// appendAt appends to a long log, with Log.Append and as the floor does.
func (b *bench) appendAt(history string) error {
	f := b.figure("wtmp", b.log, "appended", "1/s", goal{})
	name := filepath.Join(b.tools.disk, "wtmp")
	if out, err := exec.Command("cp", history, name).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	defer os.Remove(name)
	l := utmpfile.NewLog(name, nil)
	r := utmpx.Record{Type: utmpx.DeadProcess, PID: 1000, Line: "pts/1", ID: "1", Time: utmpx.TimeOf(time.Now())}
	raw, err := layout.Encode(r)
	if err != nil {
		return err
	}
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for range b.runs {
		at := time.Now()
		for range appends {
			if err := l.Append(context.Background(), r); err != nil {
				return err
			}
		}
		f.add(ours, appends/seconds(time.Since(at)))
		at = time.Now()
		for range appends {
			if err := lockedWrite(fd, raw); err != nil {
				return err
			}
		}
		f.add(floor, appends/seconds(time.Since(at)))
		if err := b.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func lockedWrite(fd int, p []byte) error {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_SETLKW, &l); err != nil {
		return err
	}
	if _, err := unix.Write(fd, p); err != nil {
		return err
	}
	l.Type = unix.F_UNLCK
	return unix.FcntlFlock(uintptr(fd), unix.F_SETLKW, &l)
}
