// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/table"
)

const (
	// endPatience is how long the end waits for rooms that a file system holds up, and
	// savePatience for the last save of the table.
	endPatience  = 5 * time.Second
	savePatience = 2 * time.Second
)

// working has the rooms that have not ended.
type working struct {
	mu    sync.Mutex
	rooms map[string]int // how many goroutines
}

func (w *working) begin(room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rooms == nil {
		w.rooms = map[string]int{}
	}
	w.rooms[room]++
}

func (w *working) end(room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rooms[room]--; w.rooms[room] == 0 {
		delete(w.rooms, room)
	}
}

func (w *working) has(room string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rooms[room] > 0
}

func (w *working) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(w.rooms)), ",")
}

// hangs has the files whose file system does not answer, and since when.
type hangs struct {
	mu    sync.Mutex
	files map[string]time.Time
}

// set notes that a file has not answered since then, or, with a zero time, that it has.
func (h *hangs) set(file string, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.files == nil {
		h.files = map[string]time.Time{}
	}
	if h.files[file] = since; since.IsZero() {
		delete(h.files, file)
	}
}

// fileHangs logs that a file does not answer, and what that means until it does, or that it
// answers again.
func (d *daemon) fileHangs(file string, since time.Time, until string) {
	if since.IsZero() {
		d.reading.toggles.Log(slog.LevelInfo, "answers "+file, "the file system answers again", "file", file)
	} else {
		d.reading.toggles.Log(slog.LevelWarn, "hangs "+file, "the file system does not answer: "+until, "file", file, "since", since)
	}
	d.hangs.set(file, since)
	d.emit(input{at: time.Now()}) // for the status
}

// hung returns the files that have not answered.
func (h *hangs) hung() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	hung := make(map[string]bool, len(h.files))
	for file := range h.files {
		hung[file] = true
	}
	return hung
}

func (h *hangs) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, file := range slices.Sorted(maps.Keys(h.files)) {
		all = append(all, file+" since "+h.files[file].Format(time.RFC3339))
	}
	return strings.Join(all, ", ")
}

// drain takes in what the rooms still report, until all have ended: what was written
// before the end is reported like any other. It reports false if some rooms are in the
// kernel's hands, which ends no call on a file system that hangs.
func (d *daemon) drain() bool {
	ended := make(chan struct{})
	go func() {
		d.rooms.Wait()
		close(ended)
	}()
	patience := time.NewTimer(endPatience)
	defer patience.Stop()
	for {
		select {
		case ins := <-d.inputs:
			d.takeResults(ins)
		case <-d.scans: // too late to be judged
		case <-ended:
			for {
				select {
				case ins := <-d.inputs:
					d.takeResults(ins)
				default:
					return true
				}
			}
		case <-patience.C:
			return false
		}
	}
}

// takeResults has the table take in what became of orders, and who has ended, so that
// nobody is saved as alive who is not. The rooms take no new orders.
func (d *daemon) takeResults(ins []input) {
	for _, in := range ins {
		for _, ev := range in.events {
			switch ev.(type) {
			case table.Cleaned, table.Paid, table.Exited:
				acts := d.table.Handle(d.moment(in.at), ev)
				d.report(in.at, acts.Reports)
			}
		}
	}
}

// within runs f, and reports whether it is back in time.
func within(patience time.Duration, f func()) bool {
	back := make(chan struct{})
	go func() {
		defer close(back)
		f()
	}()
	select {
	case <-back:
		return true
	case <-time.After(patience):
		return false
	}
}
