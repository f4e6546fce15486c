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
