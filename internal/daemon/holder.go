// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
)

// holderAttrs returns the attributes of the process that holds a lock, if the
// system names it.
func holderAttrs(err error) []any {
	var locked *recfile.LockedError
	if !errors.As(err, &locked) || locked.PID <= 0 {
		return nil
	}
	args := []any{"holder", locked.PID}
	if name := userOf(locked.PID); name != "" {
		args = append(args, "user", name)
	}
	return args
}

// userOf returns the user of a process, "" if it is gone.
func userOf(pid int32) string {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	uid := strconv.FormatUint(uint64(st.Uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}

const (
	holdersPeriod = time.Minute     // between two looks for holders
	holdersLimit  = 2 * time.Second // for one look
)

// holders looks for those of locks of which the system names no holder: OFD locks. It
// reads the descriptors of all processes, so it looks seldom, not for long, and in a
// goroutine of its own.
type holders struct {
	log     *slog.Logger
	lockers func(ctx context.Context, file string) (pids []int32, all bool) // nil: never look

	last   time.Time
	ctx    context.Context
	cancel context.CancelFunc
	looks  sync.WaitGroup
}

func newHolders(log *slog.Logger) *holders {
	h := &holders{log: log}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// look logs who holds the lock of which err is.
func (h *holders) look(err error) {
	var locked *recfile.LockedError
	now := time.Now()
	if h.lockers == nil || !errors.As(err, &locked) || locked.PID > 0 || !h.last.IsZero() && now.Sub(h.last) < holdersPeriod {
		return
	}
	h.last = now
	h.looks.Go(func() {
		ctx, cancel := context.WithTimeout(h.ctx, holdersLimit)
		defer cancel()
		pids, all := h.lockers(ctx, locked.Name)
		var held []string
		for _, pid := range pids {
			held = append(held, strings.TrimSpace(fmt.Sprintf("%d %s", pid, userOf(pid))))
		}
		switch {
		case h.ctx.Err() != nil: // utmpd ends
		case held != nil:
			h.log.Warn("a lock is held by", "file", locked.Name, "processes", strings.Join(held, ", "), "all processes seen", all)
		default:
			h.log.Warn("utmpd cannot see who holds a lock: as root, try fuser -v", "file", locked.Name)
		}
	})
}

func (h *holders) close() {
	h.cancel()
	h.looks.Wait()
}
