// SPDX-License-Identifier: BSD-2-Clause

package sessions

import "time"

// During returns bounds for how much of the session lies between since and until, as
// [Session.Lasted] does for all of it. A session without a known end may have lasted to
// until, and one that is still on has.
func (s *Session) During(since, until time.Time) (least, most time.Duration, ok bool) {
	from, first, last := s.span()
	if s.End == StillOn {
		first, last = until, until
	}
	if !from.Before(since) && !last.IsZero() && !last.After(until) {
		return s.Lasted(until)
	}
	if from.IsZero() || s.doubtful() {
		return 0, -1, false
	}
	if from.Before(since) {
		from = since
	}
	if last.IsZero() || last.After(until) {
		last = until
	}
	if first.After(last) {
		first = last
	}
	return max(0, first.Sub(from)), max(0, last.Sub(from)), true
}

// Drawn returns the session's place on a line of time from since to until: it was on from
// the first moment to the second, and perhaps to the third. If ok is false, no moment is
// sure: the clock was set meanwhile, its login is not known, or it may have ended before
// since.
func (s *Session) Drawn(since, until time.Time) (from, sure, perhaps time.Time, ok bool) {
	from, sure, perhaps = s.span()
	if s.End == StillOn {
		sure, perhaps = until, until
	}
	if perhaps.IsZero() || perhaps.After(until) {
		perhaps = until
	}
	if from.Before(since) {
		from = since
	}
	if from.After(perhaps) {
		perhaps = from
	}
	if s.From.IsZero() || s.doubtful() || sure.Before(from) {
		return from, from, perhaps, false
	}
	if sure.After(perhaps) {
		sure = perhaps
	}
	return from, sure, perhaps, true
}
