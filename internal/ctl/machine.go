// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/internal/proc"
)

// machine is what utmpctl runs on. Another takes its place in tests.
type machine struct {
	now        func() time.Time
	uptime     func() time.Duration // since the system was started; 0 if nothing tells
	bootID     func() (string, error)
	release    func() string // of the kernel
	initsystem func() initsystem.Writes
	volatile   func(file string) bool      // it cannot be from before this boot
	makeFile   func(file string) error     // an empty one for the group utmp; fs.ErrExist if it is there
	alive      func(pid int32) bool        // also if that cannot be known
	led        func(lines []string) []bool // which have, or may have, a session leader
	patience   time.Duration               // with those who hold a lock: a boot must not hang on one
}

// thisMachine is the one that the program runs on.
func thisMachine() machine {
	return machine{
		now: time.Now,
		uptime: func() time.Duration {
			now := time.Now()
			return now.Sub(proc.Boot(now)) - initStart()
		},
		bootID:     proc.BootID,
		release:    release,
		initsystem: writes,
		volatile:   volatile,
		makeFile:   makeFile,
		alive:      alive,
		led:        led,
		patience:   10 * time.Second,
	}
}

// makeFile makes a utmpx file as tmpfiles.d and sysvinit do: 0664 root:utmp, or
// of the group of who makes it where there is no such group, or they may not give
// it away. It has its name only once it is so, whenever this is killed.
func makeFile(name string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if g, err := user.LookupGroup("utmp"); err == nil {
		gid, err := strconv.Atoi(g.Gid)
		if err == nil {
			err = f.Chown(-1, gid)
		}
		if err != nil && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	if err := f.Chmod(0o664); err != nil {
		return err
	}
	return os.Link(f.Name(), name)
}

func alive(pid int32) bool {
	p, err := proc.Find(pid)
	if err != nil {
		return !errors.Is(err, proc.ErrGone)
	}
	defer p.Close()
	ended, _ := p.Ended()
	return !ended
}

func led(lines []string) []bool {
	found, err := proc.Leaders(lines)
	all := make([]bool, len(lines))
	for i, line := range lines {
		l := found[line]
		all[i] = l.Found || err != nil && l.Exists
	}
	return all
}
