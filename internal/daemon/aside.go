// SPDX-License-Identifier: BSD-2-Clause

package daemon

import "time"

// asidePatience is how long the loop waits for a look at names.
const asidePatience = 2 * time.Second

// aside has the loop look at names of files and directories: a server that is away may not
// answer, and the loop must go on. It belongs to the loop.
type aside struct {
	out  chan error // of the look that is not back; nil: there is none
	late bool       // it was waited for in vain
}

// look runs f and returns its error. An f that is not back in time is left to itself, and no
// other is begun until it is: then a look returns its error.
func (a *aside) look(f func() error) error {
	if a.out == nil {
		out := make(chan error, 1)
		a.out = out
		go func() { out <- f() }()
	}
	if a.late {
		select {
		case err := <-a.out:
			*a = aside{}
			return err
		default:
			return nil
		}
	}
	timer := time.NewTimer(asidePatience)
	defer timer.Stop()
	select {
	case err := <-a.out:
		*a = aside{}
		return err
	case <-timer.C:
		a.late = true
		return nil
	}
}
