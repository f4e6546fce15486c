// SPDX-License-Identifier: BSD-2-Clause

package sysfile_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"utmpd.dev/utmpd/internal/simfile"
	"utmpd.dev/utmpd/internal/sysfile"
)

// TestPatient checks that a look-up that does not come back is given up, that the next one
// does not wait, and that another name, and the same one later, are looked up.
func TestPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := simfile.New()
		files.WriteFile("/far", nil)
		files.WriteFile("/near", nil)
		server := make(chan struct{})
		files.Inject(func(op simfile.Op) *simfile.Fault {
			if op.Call == simfile.Lookup && op.Name == "/far" {
				<-server
			}
			return nil
		})
		sys := sysfile.Patient(files)
		look := func(name string, want error, took time.Duration) {
			t.Helper()
			began := time.Now()
			if _, err := sys.Lookup(name); !errors.Is(err, want) || time.Since(began) != took {
				t.Errorf("%s: error %v after %v, want %v after %v", name, err, time.Since(began), want, took)
			}
		}
		look("/near", nil, 0)
		look("/far", os.ErrDeadlineExceeded, 2*time.Second)
		look("/far", os.ErrDeadlineExceeded, 0)
		look("/near", nil, 0)
		close(server)
		synctest.Wait()
		look("/far", nil, 0)
	})
}
