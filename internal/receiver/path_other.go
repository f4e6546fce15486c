//go:build !linux

package receiver

// DefaultPath is where the named pipe is unless configured otherwise; on
// illumos and Solaris it is the path that pututxline(3C) writes to.
const DefaultPath = "/var/run/utmppipe"
