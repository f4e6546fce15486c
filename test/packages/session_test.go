// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// sessionEnv, in the form USER:LINE, makes the test binary a session. It records its login
// in utmp and wtmp as login programs do, and waits until it is killed, without recording
// its end.
const sessionEnv = "UTMPD_TEST_SESSION"

func session(who string) int {
	user, line, _ := strings.Cut(who, ":")
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM)
	record, err := utmpx.Native().Encode(utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(os.Getpid()), Line: line, ID: line[max(0, len(line)-4):],
		User: user, Host: "desk.example", Time: utmpx.TimeOf(time.Now()),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, name := range []string{"/run/utmp", "/var/log/wtmp"} {
		if err := appendTo(name, record); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	<-ends
	return 0
}

func appendTo(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(b)
	return err
}
