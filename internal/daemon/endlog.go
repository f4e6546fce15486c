// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// Whoever may write the utmpx file can make up records by the ten thousand, and each is
// the end of a session. So the ends of an hour are bounded, for each kind by itself, and
// sums name what was not logged. A session that was seen to live takes a process to make
// up; one of a user in /etc/passwd takes that user's name. 3000 users who are gone at once
// have a line each.
const (
	endsSeen    = 10000 // of sessions that were seen to live
	endsFound   = 1000  // of those that were found dead
	endsAccount = 100   // of a user in /etc/passwd
	endsNobody  = 10    // of another name
	endsLine    = 10    // of one line
	endsProcess = 10    // of one process, for each account

	// Of records that are left alone, much fewer.
	leftMost    = 100 // of those that were seen to live, and of the others
	leftAccount = 20  // of a user in /etc/passwd
	leftNobody  = 10  // of another name, of one line, and of one process

	sumDelay = time.Minute // from the first end that is not logged to the sum
	sumUsers = 10          // that a sum names
	sumKnown = 100         // of which it knows the number
)

// endBounds are how many lines there are in an hour.
type endBounds struct{ seen, found, account, nobody, line, process int }

var (
	boundsOfEnds = endBounds{endsSeen, endsFound, endsAccount, endsNobody, endsLine, endsProcess}
	boundsOfLeft = endBounds{leftMost, leftMost, leftAccount, leftNobody, leftNobody, leftNobody}
)

// endKind is what competes for lines of the log.
type endKind struct{ seen, account bool }

func (k endKind) String() string {
	seen, account := "found dead", "users not in /etc/passwd"
	if k.seen {
		seen = "seen to end"
	}
	if k.account {
		account = "users in /etc/passwd"
	}
	return seen + ", " + account
}

// endLog logs the ends of sessions, or those that are left alone.
type endLog struct {
	bounds   endBounds
	log      *slog.Logger
	accounts func() map[string]bool // names of users

	mu     sync.Mutex
	kinds  map[endKind]*ends
	known  map[string]bool // accounts of this hour
	since  time.Time       // of the hour
	timer  *time.Timer     // of the sum; nil: nothing was left out
	closed bool
}

// ends are those of one kind in an hour.
type ends struct {
	lines     int
	ofUser    map[string]int
	ofLine    map[onLine]int
	ofProcess map[ofProcess]int
	left      int // that are in no sum yet
	msg       string
	whose     map[string]int
}

func newEndLog(log *slog.Logger, bounds endBounds) *endLog {
	return &endLog{log: log, bounds: bounds, accounts: readAccounts}
}

// report logs the end of a session, or counts it for the sum.
func (l *endLog) report(msg string, j *session.Job, logout string) {
	if l.take(msg, j.Record, j.After.IsZero() || !j.After.Equal(j.Record.Time.Time())) {
		l.log.Info(msg, jobAttrs(*j, logout)...)
	}
}

// take reports whether the end has a line, else it counts it. seen says that the session
// was seen to live.
func (l *endLog) take(msg string, r utmpx.Record, seen bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return true
	}
	// What is kept for an hour must not keep the part of the utmpx file that it is from.
	r.User, r.Line = strings.Clone(r.User), strings.Clone(r.Line)
	if now := time.Now(); l.kinds == nil || now.Sub(l.since) > hourPeriod {
		l.sum()
		l.since, l.known, l.kinds = now, l.accounts(), make(map[endKind]*ends)
	}
	kind := endKind{seen: seen, account: l.known[r.User]}
	e := l.kinds[kind]
	if e == nil {
		e = &ends{ofUser: make(map[string]int), ofLine: make(map[onLine]int), ofProcess: make(map[ofProcess]int), whose: make(map[string]int)}
		l.kinds[kind] = e
	}
	if e.take(l.bounds, kind, r) {
		return true
	}
	e.left++
	e.msg = msg
	if _, ok := e.whose[r.User]; ok || len(e.whose) < sumKnown {
		e.whose[r.User]++
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(sumDelay, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.sum()
		})
	}
	return false
}

// onLine is whose ends share the bound of a line. Those of an account are its own: others
// on the same terminal take nothing from it.
type onLine struct{ line, account string }

// ofProcess is whose ends share the bound of a process. Those of an account are its own: a
// record of another that names the same process takes nothing from it.
type ofProcess struct {
	pid     int32
	account string
}

// take reports whether the end is within the bounds. Each account has a line, however
// many there are.
func (e *ends) take(of endBounds, kind endKind, r utmpx.Record) bool {
	most, ofUser := of.found, of.nobody
	if kind.seen {
		most, ofUser = of.seen, of.account
	}
	on, process := onLine{line: r.Line}, ofProcess{pid: r.PID}
	if kind.account {
		ofUser, on.account, process.account = of.account, r.User, r.User
	}
	first := kind.account && e.ofUser[r.User] == 0
	if !first && (e.lines >= most || e.ofUser[r.User] >= ofUser || e.ofLine[on] >= of.line ||
		kind.seen && e.ofProcess[process] >= of.process) {
		return false
	}
	e.lines++
	e.ofUser[r.User]++
	e.ofLine[on]++
	e.ofProcess[process]++
	return true
}

// sum logs what was left out since the last one.
func (l *endLog) sum() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	for kind, e := range l.kinds {
		if e.left > 0 {
			l.log.Info(e.msg+": more than are logged one by one", "sessions", e.left, "users", e.users(), "kind", kind.String())
			e.left = 0
			clear(e.whose)
		}
	}
}

// users says whose ends were left out, those with most first.
func (e *ends) users() string {
	names := slices.SortedFunc(maps.Keys(e.whose), func(a, b string) int {
		return cmp.Or(cmp.Compare(e.whose[b], e.whose[a]), cmp.Compare(a, b))
	})
	var all []string
	rest := e.left
	for _, name := range names[:min(len(names), sumUsers)] {
		all = append(all, fmt.Sprintf("%s %d", name, e.whose[name]))
		rest -= e.whose[name]
	}
	if rest > 0 {
		all = append(all, fmt.Sprintf("others %d", rest))
	}
	return strings.Join(all, ", ")
}

// close logs the last sum. What is reported after it has its line.
func (l *endLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum()
	l.closed = true
}

// readAccounts returns the names in /etc/passwd.
func readAccounts() map[string]bool {
	names := make(map[string]bool)
	b, _ := os.ReadFile("/etc/passwd") // without it, all users have the smaller share
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names[name] = true
		}
	}
	return names
}
