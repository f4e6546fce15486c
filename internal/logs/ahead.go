// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"iter"
	"runtime"
	"slices"

	"utmpd.dev/utmpd/internal/recfile"
)

const (
	// aheadAfter is how many blocks a caller must have worked on before others are read
	// ahead: who wants few records waits for no more.
	aheadAfter = 4
	// aheadMost is how many blocks are in use at once, and aheadBunch how many are handed on
	// together: waking a goroutine on another processor costs as much as reading one.
	aheadMost  = 8
	aheadBunch = 4
	// aheadLeast is how many must be left: fewer are read as fast without.
	aheadLeast = 2 * aheadAfter
)

// ahead yields the blocks of a file, of which so many bytes are left. If the log is one
// that is read ahead, and they are many, a goroutine reads them and finds their records
// while the caller works on the blocks before. It has ended when the iteration ends.
// Memory that is not reused must be collected, which keeps the other processors busy.
func (f *File) ahead(left int64, blocks func(content) iter.Seq2[block, error]) iter.Seq2[block, error] {
	if !f.log.ahead || !f.reuse || left < aheadLeast*f.blockSize() || runtime.GOMAXPROCS(0) == 1 {
		return blocks(&plain{f: f, memory: f.memory})
	}
	return func(yield func(block, error) bool) {
		r := &readAhead{
			out:  make(chan []found, aheadMost),
			done: make(chan int, aheadMost),
			stop: make(chan struct{}),
			last: new(memory),
		}
		defer r.end()
		go r.run(blocks(&plain{f: f, memory: r.memory}))
		for bunch := range r.out {
			for _, b := range bunch {
				if !yield(b.block, b.err) {
					return
				}
			}
			r.done <- len(bunch)
		}
	}
}

// found is a block, or what stands in its place.
type found struct {
	block
	err error
}

// readAhead reads blocks in a goroutine, which owns all but the channels.
type readAhead struct {
	out  chan []found  // has room for all that may be in use
	done chan int      // so many of the oldest blocks has the caller worked on
	stop chan struct{} // closed: it wants no more

	given  []*memory // of the blocks that the caller has, the oldest first
	past   int       // how many blocks it has worked on
	bunch  []found   // to be handed on
	pieces []*memory
	last   *memory // what was read into last
}

// memory is a piece of memory that is overwritten once no block in it is in use.
type memory struct {
	bytes *[]byte // from recfile's pool
	used  int     // by how many blocks
}

func (r *readAhead) run(blocks iter.Seq2[block, error]) {
	defer close(r.out)
	for b, err := range blocks {
		r.last.used++
		r.given = append(r.given, r.last)
		r.bunch = append(r.bunch, found{b, err})
		if r.past < aheadAfter || len(r.bunch) == aheadBunch {
			r.hand()
		}
		if !r.more() {
			return
		}
	}
	r.hand()
}

func (r *readAhead) hand() {
	if len(r.bunch) > 0 {
		r.out <- r.bunch
		r.bunch = nil
	}
}

// more waits until another block may be read, and reports whether the caller wants it.
func (r *readAhead) more() bool {
	for r.past < aheadAfter && len(r.given) > 0 || len(r.given) >= aheadMost {
		select {
		case n := <-r.done:
			r.past += n
			for _, m := range r.given[:n] {
				m.used--
			}
			r.given = r.given[n:]
		case <-r.stop:
			return false
		}
	}
	return true
}

// memory returns where the next n bytes go.
func (r *readAhead) memory(n int64) []byte {
	r.last = new(memory)
	if i := slices.IndexFunc(r.pieces, func(m *memory) bool { return m.used == 0 }); i >= 0 {
		r.last = r.pieces[i]
	} else {
		r.last.bytes = recfile.TakeBlock()
		r.pieces = append(r.pieces, r.last)
	}
	if n > int64(cap(*r.last.bytes)) {
		r.last = new(memory) // what is searched for records once damage was found
		return make([]byte, n)
	}
	return (*r.last.bytes)[:n]
}

// end ends the goroutine.
func (r *readAhead) end() {
	close(r.stop)
	for range r.out {
	}
	for _, m := range r.pieces {
		recfile.GiveBlock(m.bytes)
	}
}
