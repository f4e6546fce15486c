package ctl

import (
	"time"

	"utmpd.dev/utmpd/internal/proc"
)

// machine is what utmpctl runs on. Another takes its place in tests.
type machine struct {
	now    func() time.Time
	uptime func() time.Duration // since the kernel started; 0 if it does not say
	bootID func() (string, error)
}

// thisMachine is the one that the program runs on.
func thisMachine() machine {
	return machine{
		now: time.Now,
		uptime: func() time.Duration {
			now := time.Now()
			return now.Sub(proc.Boot(now))
		},
		bootID: proc.BootID,
	}
}
