// SPDX-License-Identifier: BSD-2-Clause

package status

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrForm is the error of a file that is not in the form of a status.
var ErrForm = errors.New("not a status of utmpd")

// Written is a status as a file holds it.
type Written struct {
	Status
	At         time.Time // when it was written
	ValidUntil time.Time // zero of a daemon that has ended
	Unknown    []string  // lines with keys of another version
}

// Parse reads what [Status.Append] wrote. It takes in the keys that it knows, in any
// order, and keeps the others as Unknown. A key that is missing leaves its field zero; a
// file without state, pid and time is none.
func Parse(text []byte) (Written, error) {
	var w Written
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			return Written{}, fmt.Errorf("%w: no key in the line %q", ErrForm, line)
		}
		known, err := w.set(key, unquoted(value))
		if err != nil {
			return Written{}, fmt.Errorf("%w: %s: %w", ErrForm, key, err)
		}
		if !known {
			w.Unknown = append(w.Unknown, line)
		}
	}
	if w.State == "" || w.PID <= 0 || w.At.IsZero() {
		return Written{}, fmt.Errorf("%w: no state, pid or time", ErrForm)
	}
	if !w.ValidUntil.IsZero() {
		w.Within = w.ValidUntil.Sub(w.At) - late
	}
	return w, nil
}

// set takes in one value. known is false if there is no such key.
func (w *Written) set(key, value string) (known bool, err error) {
	if n := w.number(key); n != nil {
		*n, err = strconv.Atoi(value)
		return true, err
	}
	if t := w.time(key); t != nil {
		if value != "never" {
			*t, err = time.Parse(timeFormat, value)
		}
		return true, err
	}
	if s := w.text(key); s != nil {
		*s = value
		return true, nil
	}
	switch key {
	case "state":
		w.State = State(value)
	case "mode":
		w.DryRun = value == Status{DryRun: true}.mode()
	case "logins of logind":
		w.HasLogind = true
		w.Logins, err = strconv.Atoi(value)
	case "requests":
		w.HasPipe = true
		w.Requests, err = strconv.ParseUint(value, 10, 64)
	case "bad requests":
		w.BadRequests, err = strconv.ParseUint(value, 10, 64)
	case "log line":
		w.LogLines += value + "\n"
	default:
		return false, nil
	}
	return true, err
}

func (w *Written) number(key string) *int {
	return map[string]*int{
		"pid": &w.PID, "sessions": &w.Sessions, "watched": &w.Watched, "unwatched": &w.Unwatched,
		"dying": &w.Dying, "cleaned": &w.Cleaned, "would clean": &w.WouldClean,
		"logouts owed": &w.LogoutsOwed, "logouts waiting": &w.Waiting,
		"recorded for logind": &w.Recorded,
	}[key]
}

func (w *Written) time(key string) *time.Time {
	return map[string]*time.Time{
		"written": &w.At, "valid until": &w.ValidUntil, "started": &w.Started,
		"last scan": &w.LastScan, "last heartbeat": &w.LastHeartbeat, "last clean": &w.LastClean,
	}[key]
}

func (w *Written) text(key string) *string {
	return map[string]*string{
		"version": &w.Version, "utmpx": &w.UtmpxFile, "wtmpx": &w.WtmpxFile, "backend": &w.Backend,
		"missing": &w.Missing, "utmpx error": &w.UtmpxError, "no answer": &w.Hangs,
		"notification error": &w.NoticeError, "log error": &w.LogError, "logind error": &w.LogindError,
	}[key]
}

// unquoted undoes printable.
func unquoted(value string) string {
	if v, err := strconv.Unquote(value); err == nil && printable(v) == value {
		return v
	}
	return value
}
