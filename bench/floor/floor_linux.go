// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

func run(args []string, stderr io.Writer) int {
	debug.SetGCPercent(-1) // the floor does not save memory
	runtime.LockOSThread()
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	flags.SetOutput(stderr)
	sync := flags.Bool("sync", false, "sync both files once for each batch of deaths")
	if err := flags.Parse(args); err != nil || flags.NArg() != 2 {
		fmt.Fprintln(stderr, "usage: floor [-sync] UTMP WTMP")
		return 2
	}
	err := watch(flags.Arg(0), flags.Arg(1), *sync)
	fmt.Fprintln(stderr, "floor:", err)
	return 1
}

// session is a record, and the pidfd of its process.
type session struct {
	slot, pidfd int
	record      utmpx.Record
}

type floor struct {
	layout           *utmpx.Layout
	utmp, wtmp, poll int
	sync, wrote      bool
	sessions         []session
	block            [512]byte
	stat             [1024]byte
}

// watch runs until an error.
func watch(utmp, wtmp string, sync bool) error {
	data, err := os.ReadFile(utmp)
	if err != nil {
		return err
	}
	f := &floor{layout: utmpx.Native(), sync: sync}
	if f.utmp, err = unix.Open(utmp, unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if f.wtmp, err = unix.Open(wtmp, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if f.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if err := f.begin(string(data)); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 1024)
	for {
		n, err := unix.EpollWait(f.poll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			s := &f.sessions[ev.Fd]
			if err := f.clean(s); err != nil {
				return err
			}
			unix.Close(s.pidfd)
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
}

// begin watches the living sessions and cleans the dead ones.
func (f *floor) begin(data string) error {
	size := f.layout.Size()
	var dead []session
	f.sessions = make([]session, 0, len(data)/size)
	for slot := range len(data) / size {
		r := f.layout.Decode(data[slot*size : (slot+1)*size])
		if r.Type != utmpx.UserProcess {
			continue
		}
		fd, err := unix.PidfdOpen(int(r.PID), 0)
		switch err {
		case nil:
		case unix.ESRCH:
			dead = append(dead, session{slot: slot, record: r})
			continue
		default:
			return err
		}
		f.sessions = append(f.sessions, session{slot, fd, r})
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(f.sessions) - 1)}
		if err := unix.EpollCtl(f.poll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return err
		}
		if err := f.readStat(r.PID); err != nil {
			return err
		}
	}
	for i := range dead {
		if err := f.clean(&dead[i]); err != nil {
			return err
		}
	}
	return f.flush()
}

func (f *floor) readStat(pid int32) error {
	fd, err := unix.Open("/proc/"+strconv.Itoa(int(pid))+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = unix.Read(fd, f.stat[:])
	unix.Close(fd)
	return err
}

// clean marks a session's record and writes its logout.
func (f *floor) clean(s *session) error {
	r := s.record
	r.Type, r.User, r.Host, r.Time = utmpx.DeadProcess, "", "", utmpx.TimeOf(time.Now())
	dead := f.block[:f.layout.Size()]
	off := int64(s.slot * f.layout.Size())
	if err := lock(f.utmp, unix.F_WRLCK); err != nil {
		return err
	}
	if _, err := unix.Pread(f.utmp, dead, off); err != nil {
		return err
	}
	if string(dead) != s.record.Raw() {
		return lock(f.utmp, unix.F_UNLCK)
	}
	if _, err := f.layout.AppendEncode(dead[:0], r); err != nil {
		return err
	}
	f.wrote = true
	if _, err := unix.Pwrite(f.utmp, dead, off); err != nil {
		return err
	}
	if err := lock(f.utmp, unix.F_UNLCK); err != nil {
		return err
	}
	if err := lock(f.wtmp, unix.F_WRLCK); err != nil {
		return err
	}
	if _, err := unix.Write(f.wtmp, dead); err != nil {
		return err
	}
	return lock(f.wtmp, unix.F_UNLCK)
}

func (f *floor) flush() error {
	if !f.sync || !f.wrote {
		return nil
	}
	f.wrote = false
	return errors.Join(unix.Fsync(f.wtmp), unix.Fsync(f.utmp))
}

// lock waits for a POSIX lock on the whole file, or releases it.
func lock(fd int, kind int16) error {
	return unix.FcntlFlock(uintptr(fd), unix.F_SETLKW, &unix.Flock_t{Type: kind})
}
