// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"fmt"
	"time"
)

// Severity is how bad a finding is.
type Severity int

// The severities. Notes are no reason to do anything: they are for whoever looks for
// something.
const (
	Note    Severity = iota
	Warning          // it may have an innocent cause
	Error            // the file or a record is wrong
)

func (s Severity) String() string { return [...]string{"note", "warning", "error"}[s] }

// MarshalText writes it as String does.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Kind names what was found, for programs.
type Kind string

// The kinds of finding.
const (
	Damage       Kind = "damage"     // bytes in which no whole record is
	Torn         Kind = "torn"       // a part of a record at the end
	Zeroed       Kind = "zeroed"     // whole records of zeros
	Blanked      Kind = "blanked"    // a record without its user or its time
	NoType       Kind = "empty"      // a session's record of the type EMPTY
	OtherLayout  Kind = "layout"     // records of another system
	TimeBack     Kind = "time"       // a record earlier than the one before it
	Future       Kind = "future"     // a record later than the file's last change
	NoLogout     Kind = "no-logout"  // a login without an end
	NoLogin      Kind = "no-login"   // a logout without a login
	DeadProcess  Kind = "dead"       // a session whose process has ended
	SameLine     Kind = "same-line"  // two living sessions on one line
	SameID       Kind = "same-id"    // two records of one ut_id
	WrongMode    Kind = "mode"       // permissions, owner or group
	Link         Kind = "link"       // the name is a symbolic link
	MoreFindings Kind = "more"       // findings of a kind that are not shown
	Unread       Kind = "unread"     // the file cannot be read
	LeftBehind   Kind = "unfinished" // a repair that was interrupted
	LostBoot     Kind = "lost-boot"  // a boot, or its end, that only the ledger knows
	OtherEnd     Kind = "other-end"  // the end of a boot that the ledger tells differently
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind     Kind
	Severity Severity
	From, To int64     // bytes of the file; both 0: the whole file
	At       time.Time // near the time; zero: unknown
	Text     string    // the fact; what comes from a record is quoted
	Advice   string    // what to do, or what to think of it
}

// shown is how many findings of one kind and severity are shown each by itself.
const shown = 10

// Few passes on the first findings of each kind and severity, and counts the rest: a file
// may have a finding in each record.
type Few struct {
	to    func(Finding)
	most  int
	seen  map[group]int
	order []group
}

type group struct {
	kind     Kind
	severity Severity
}

// NewFew passes findings on to a function. With all set, it passes all.
func NewFew(all bool, to func(Finding)) *Few {
	f := &Few{to: to, most: shown, seen: map[group]int{}}
	if all {
		f.most = -1
	}
	return f
}

// Add takes a finding.
func (f *Few) Add(x Finding) {
	g := group{x.Kind, x.Severity}
	if f.seen[g]++; f.seen[g] == 1 {
		f.order = append(f.order, g)
	}
	if f.most < 0 || f.seen[g] <= f.most {
		f.to(x)
	}
}

// End passes on how many more there were.
func (f *Few) End() {
	for _, g := range f.order {
		if n := f.seen[g] - f.most; f.most >= 0 && n > 0 {
			f.to(Finding{Kind: MoreFindings, Severity: g.severity, Text: fmt.Sprintf("%d more of the kind %s", n, g.kind),
				Advice: "-all shows them"})
		}
	}
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}
