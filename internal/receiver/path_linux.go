package receiver

// DefaultPath is where the named pipe is unless configured otherwise.
const DefaultPath = "/run/utmpd/utmppipe"
