// SPDX-License-Identifier: BSD-2-Clause

// Package sdnotify reports the state of the service to systemd, as sd_notify(3)
// does. Outside systemd it does nothing.
//
// utmpd does not use the usual library, because a notification must not block the
// daemon: that library writes to the socket without a deadline, reads the
// environment at each call, and its module depends on D-Bus.
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

// deadline limits how long a notification may take.
const deadline = 100 * time.Millisecond

// maxStatus limits the length of a status text, in bytes.
const maxStatus = 1024

// Notifier sends notifications. A nil Notifier, and one made outside systemd,
// sends none. Its methods are safe for concurrent use and take at most 100 ms.
// Their errors are the socket's; the daemon can go on after any of them.
type Notifier struct {
	addr     *net.UnixAddr // nil outside systemd
	watchdog time.Duration
}

// New returns a Notifier for the service manager that the environment names by
// NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. getenv is usually os.Getenv.
func New(getenv func(string) string) *Notifier {
	n := &Notifier{watchdog: watchdog(getenv)}
	// The other kind of address, vsock, is for virtual machines only.
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

// Enabled reports whether notifications are sent.
func (n *Notifier) Enabled() bool { return n != nil && n.addr != nil }

// Ready reports that the start, or a reload of the settings, has finished.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Reloading reports that a reload of the settings begins. Ready must follow.
func (n *Notifier) Reloading() error {
	state := "RELOADING=1"
	if usec, ok := monotonic(); ok {
		state += "\nMONOTONIC_USEC=" + strconv.FormatInt(usec, 10)
	}
	return n.send(state)
}

// Stopping reports that the daemon is about to exit.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status reports the state in one line of text. Characters that are not printable
// are replaced by question marks. At most 1024 bytes are sent.
func (n *Notifier) Status(text string) error {
	return n.send("STATUS=" + clean(text))
}

// Watchdog reports that the daemon is alive.
func (n *Notifier) Watchdog() error { return n.send("WATCHDOG=1") }

// WatchdogInterval returns the longest time that the service manager allows
// between two calls of Watchdog; 0 if it expects none. Call Watchdog at half of
// it.
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
