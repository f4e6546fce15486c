// SPDX-License-Identifier: BSD-2-Clause

// Package sdnotify tells systemd how the service does, as sd_notify(3) would.
// Outside systemd it does nothing.
//
// It is written out here, not imported, because a notification must not be able
// to stop the daemon: the usual library writes to the socket without a deadline
// and reads the environment at each call, and its module brings D-Bus along.
package sdnotify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// deadline bounds how long a notification waits for the service manager.
const deadline = 100 * time.Millisecond

// maxStatus bounds a status text, in bytes.
const maxStatus = 1024

// Notifier sends notifications. The nil Notifier, and one made outside systemd,
// sends none. Its methods are safe for concurrent use and take at most a tenth
// of a second; their errors are the socket's and none is a reason to end.
type Notifier struct {
	addr     *net.UnixAddr // nil: no one listens
	watchdog time.Duration
}

// New looks in the environment for a service manager: NOTIFY_SOCKET,
// WATCHDOG_USEC and WATCHDOG_PID. getenv is usually os.Getenv.
func New(getenv func(string) string) *Notifier {
	n := &Notifier{watchdog: watchdog(getenv)}
	// Another kind of address (vsock) is for virtual machines.
	if s := getenv("NOTIFY_SOCKET"); strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@") {
		n.addr = &net.UnixAddr{Name: s, Net: "unixgram"}
	}
	return n
}

func watchdog(getenv func(string) string) time.Duration {
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	const most = int64(1<<63-1) / int64(time.Microsecond)
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 || usec > most {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// Enabled reports whether there is someone to tell.
func (n *Notifier) Enabled() bool { return n != nil && n.addr != nil }

// Ready tells that the start, or the reading of new settings, is done.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Reloading tells that settings are being read again; Ready must follow.
func (n *Notifier) Reloading() error {
	state := "RELOADING=1"
	if usec, ok := monotonic(); ok {
		state += "\nMONOTONIC_USEC=" + strconv.FormatInt(usec, 10)
	}
	return n.send(state)
}

// Stopping tells that the daemon is about to end.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status tells in a line how things are. What is not printable in text becomes
// a question mark; of a long one the first kilobyte is sent.
func (n *Notifier) Status(text string) error {
	return n.send("STATUS=" + clean(text))
}

// Watchdog tells that the daemon is alive.
func (n *Notifier) Watchdog() error { return n.send("WATCHDOG=1") }

// WatchdogInterval returns the time within which the service manager wants to
// hear Watchdog each time, 0 if it does not. Half of it is a good period.
func (n *Notifier) WatchdogInterval() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

func (n *Notifier) send(state string) error {
	if !n.Enabled() {
		return nil
	}
	until := time.Now().Add(deadline)
	c, err := (&net.Dialer{Deadline: until}).Dial("unixgram", n.addr.Name)
	if err != nil {
		return fmt.Errorf("sdnotify: %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(until)
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("sdnotify: %w", err)
	}
	return nil
}

func clean(text string) string {
	s := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(s) > maxStatus {
		s = strings.ToValidUTF8(s[:maxStatus], "")
	}
	return s
}
