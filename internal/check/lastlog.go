// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"fmt"
	"time"

	"utmpd.dev/utmpd/internal/lastlog"
)

// Lastlog checks the records of a lastlog file.
type Lastlog struct {
	form     lastlog.Form
	modified time.Time
	found    func(Finding)
}

// NewLastlog checks a file of a size that is in the form which fits most of the records in
// samples of it.
func NewLastlog(samples []lastlog.Sample, size int64, modified time.Time, found func(Finding)) *Lastlog {
	return &Lastlog{form: lastlog.Guess(samples, size, modified), modified: modified, found: found}
}

// Size returns the size of a record.
func (l *Lastlog) Size() int { return l.form.Size() }

// Record takes the record of a user ID.
func (l *Lastlog) Record(uid int64, b []byte) {
	r := l.form.Decode(b)
	size := int64(l.form.Size())
	f := Finding{Severity: Error, From: uid * size, To: (uid + 1) * size}
	switch {
	case r.Empty:
		return // never, or zap: nothing tells
	case r.Why != "":
		f.Kind, f.Text = Damage, fmt.Sprintf("the record of user ID %d is none: %s", uid, r.Why)
		f.Advice = "the next login of the user writes it again"
	case r.Time.Unix() == 0:
		f.Kind, f.Text = Blanked, fmt.Sprintf("the record of user ID %d has no time: line %q, host %q", uid, r.Line, r.Host)
		f.Advice = "log cleaners take the time away and leave the rest"
	case !l.modified.IsZero() && r.Time.Sub(l.modified) > time.Minute:
		f.Kind, f.Severity, f.At = Future, Note, r.Time
		f.Text = fmt.Sprintf("the last login of user ID %d, of %s, is later than the last change of the file", uid, r.Time.Format(stamp))
		f.Advice = "the clock or the file's time was set back, or the file is a copy"
	default:
		return
	}
	l.found(f)
}
