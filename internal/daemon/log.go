package daemon

import (
	"io"
	"log/slog"
	"os"

	"utmpd.dev/utmpd/internal/logging"
)

// logger is the log, and how to end it.
type logger struct {
	*slog.Logger
	io.Closer
}

// terminalLog is the log of -debug and -foreground.
func terminalLog(f flags, stdout, stderr io.Writer) logger {
	if f.debug {
		return logger{logging.NewDebug(stdout, slog.LevelDebug), io.NopCloser(nil)}
	}
	file, _ := stderr.(*os.File)
	journal := file != nil && logging.ToJournal(os.Getenv, file)
	return logger{logging.NewForeground(stderr, slog.LevelInfo, journal), io.NopCloser(nil)}
}

func syslogLog(flags) logger {
	log, closer := logging.NewSyslog("utmpd", slog.LevelInfo)
	return logger{log, closer}
}
