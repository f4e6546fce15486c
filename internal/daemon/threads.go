// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"runtime"
	"sync"
)

// spareThreads is how many threads are made besides those that run Go code at once. Each
// of them may wait in the kernel: one for each room, one for the log, and those that wait
// for the locks of both files and of those before a rotation.
const spareThreads = 20

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
