// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestCommandsGiveUp: a process whose memory is locked costs its user alone. Each user is
// asked once while he hangs, and those who are slow cost four seconds together.
func TestCommandsGiveUp(t *testing.T) {
	was := readCommand
	t.Cleanup(func() { readCommand = was })
	synctest.Test(t, func(t *testing.T) {
		stuck.hanging, stuckRoot.hanging = nil, nil
		kernel := make(chan struct{})
		var mu sync.Mutex
		asked := map[int32]int{}
		readCommand = func(pid int32, buf []byte) (int, error) {
			mu.Lock()
			asked[pid]++
			mu.Unlock()
			switch {
			case pid == 404:
				return 0, unix.ESRCH
			case pid >= 9000:
				<-kernel
			case pid >= 5000:
				time.Sleep(patience * 9 / 10)
			}
			return copy(buf, "X"), nil
		}
		for _, tt := range []struct {
			name    string
			asked   []process
			known   map[int32]string
			unknown map[int32]bool
			most    time.Duration
		}{
			{"one is gone", []process{{1, 7}, {404, 7}}, map[int32]string{1: "X"}, map[int32]bool{}, 0},
			{"one hangs", []process{{9001, 7}, {1, 7}, {2, 8}, {3, 0}}, map[int32]string{2: "X", 3: "X"}, map[int32]bool{9001: true, 1: true}, patience},
			{"it still hangs", []process{{9001, 7}, {1, 7}, {2, 8}}, map[int32]string{2: "X"}, map[int32]bool{9001: true, 1: true}, 0},
			{"slow ones of one user", []process{{5001, 8}, {5002, 8}, {5003, 8}, {1, 0}}, map[int32]string{1: "X"}, map[int32]bool{5001: true, 5002: true, 5003: true}, patience},
			{"slow ones of many users", []process{{5001, 11}, {5002, 12}, {5003, 13}, {5004, 14}, {5005, 15}, {5006, 16}, {1, 0}},
				map[int32]string{5001: "X", 5002: "X", 5003: "X", 5004: "X", 5005: "X", 1: "X"}, map[int32]bool{5006: true}, 5 * patience},
			{"three more hang", []process{{9002, 21}, {9003, 22}, {9004, 23}}, map[int32]string{}, map[int32]bool{9002: true, 9003: true, 9004: true}, 3 * patience},
			{"root's is read all the same", []process{{1, 24}, {2, 0}}, map[int32]string{2: "X"}, map[int32]bool{1: true}, 0},
		} {
			began := time.Now()
			known, unknown := readCommands(tt.asked)
			if took := time.Since(began); took > tt.most {
				t.Errorf("%s: took %v", tt.name, took)
			}
			if diff := cmp.Diff(tt.known, known); diff != "" {
				t.Errorf("%s: known: -want +got:\n%s", tt.name, diff)
			}
			if diff := cmp.Diff(tt.unknown, unknown); diff != "" {
				t.Errorf("%s: unknown: -want +got:\n%s", tt.name, diff)
			}
			time.Sleep(time.Minute) // the slow ones come back
		}
		if n := asked[9001]; n != 1 {
			t.Errorf("the process that hangs was asked %d times", n)
		}
		close(kernel)
		synctest.Wait()
		if known, _ := readCommands([]process{{1, 7}}); known[1] != "X" {
			t.Errorf("its user is not asked again once it has come back")
		}
	})
}
