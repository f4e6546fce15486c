// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"runtime"
	"sync"

	"utmpd.dev/utmpd/internal/proc"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sysfile"
)

// The threads that may wait in the kernel at once.
const (
	// lockThreads wait for locks: of the utmpx file, of the wtmpx file as the Cleaner has it,
	// as the clock's steps are recorded in it, and as the sessions of logind are.
	lockThreads = 4 * recfile.MaxWaiters
	// roomThreads are one for each room, at a file.
	roomThreads = 14
	// deskThreads are the Cleaner's calls on the two files, and their syncs, which it may give up.
	deskThreads = 4
	// givenUp are the look-ups of lines, of users' arguments and of root's that were given up.
	givenUp = 2*proc.MaxHanging + 1
	// lateNames are the look-ups of files that were given up, and the loop's own look at names.
	lateNames = sysfile.MaxLate + 1
	// otherThreads: a look-up of a line that is not given up yet, the search for who holds a
	// lock, the log.
	otherThreads = 3

	// spareThreads is how many threads are made besides those that run Go code at once.
	spareThreads = lockThreads + givenUp + lateNames + roomThreads + deskThreads + otherThreads
)

// makeThreads makes the threads that utmpd may need, before it needs them. Go makes a
// thread when one waits in the kernel, and ends the program if the system refuses that,
// as it does at the limit of processes (pids.max, RLIMIT_NPROC). Go never ends a thread
// that is idle.
func makeThreads(n int) {
	var up, done sync.WaitGroup
	up.Add(n)
	release := make(chan struct{})
	for range n {
		done.Go(func() {
			runtime.LockOSThread() // a thread of its own
			defer runtime.UnlockOSThread()
			up.Done()
			<-release
		})
	}
	up.Wait()
	close(release)
	done.Wait()
}
