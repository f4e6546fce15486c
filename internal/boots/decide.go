// SPDX-License-Identifier: BSD-2-Clause

package boots

import "time"

// Sign is the last sign of life that the heartbeat left.
type Sign struct {
	Boot  string // the boot in which it was left
	At    time.Time
	Every time.Duration // between two beats
	State SignState
}

// SignState is what was to come after a sign.
type SignState int

// What could come after a sign.
const (
	Beating  SignState = iota // the next beat
	Silence                   // no more beats, and the system went on
	EndOfAll                  // the controlled end
)

// Stamp is left in each boot when its beginning was recorded.
type Stamp struct {
	Boot   string
	Booted time.Time // by the clock of that moment
}

// Evidence is all that is known at a boot of the one before.
type Evidence struct {
	Boot     string    // the present one
	Booted   time.Time // when that began, by the present clock
	Now      time.Time
	Boots    []Boot    // the last two of the log, or fewer
	UtmpBoot time.Time // BOOT_TIME in a utmpx file that this boot made; zero if none
	Stamp    *Stamp    // the last one; nil if none
	Sign     *Sign     // the last one; nil if none
	Accessed time.Time // the log's access time before it was read; zero if unknown
}

// Verdict is what is to be recorded of the boot before.
type Verdict struct {
	Present bool // the present boot stands in the log already
	Missed  bool // and the end of the one before it does not
	Again   bool // and so does its end: it was started again, under the same kernel
	Write   bool // an end is to be recorded, as the rest tells:
	End     End
	At      time.Time
	Exact   Exactness
	By      Source
	Behind  bool // the present clock is behind At: how long the system was down is unknown
}

// bootLate is by how much two moments may differ at which the same boot was
// recorded, by two programs.
const bootLate = 5 * time.Minute

// Decide tells how the last boot of the log ended.
func Decide(ev Evidence) Verdict {
	if ev.Stamp != nil && ev.Stamp.Boot == ev.Boot && ev.Boot != "" {
		n := len(ev.Boots)
		return Verdict{Present: true, Again: n > 0 && ev.Boots[n-1].End == ShutDown}
	}
	if len(ev.Boots) == 0 {
		return Verdict{}
	}
	last := ev.Boots[len(ev.Boots)-1]
	if ev.IsPresent(last) {
		return Verdict{Present: true, Missed: len(ev.Boots) > 1 && !ev.Boots[len(ev.Boots)-2].Noted}
	}
	if ev.first() && last.End == Open && ev.inPresent(last.To) {
		// Installed while the system is up: people have logged in since this boot
		// began, and an end or a boot behind their records would end them too.
		return Verdict{Present: true, Missed: true}
	}
	sign := ev.signOf(last)
	switch last.End {
	case Crashed:
		return Verdict{}
	case ShutDown:
		// Somebody recorded a shutdown, and the system went on all the same.
		if sign == nil || sign.State != Beating || !sign.At.After(last.To.Add(lateLogout)) {
			return Verdict{}
		}
	case Open:
		if !last.Told && sign == nil {
			return Verdict{} // boots are not recorded here; nothing is known
		}
	}
	v := ev.when(last, sign)
	v.Write = true
	return ev.notAfterBoot(v, last)
}

// IsPresent reports whether a boot of the log is the one in which this runs.
func (ev Evidence) IsPresent(b Boot) bool {
	if !b.Told {
		return false
	}
	if !ev.UtmpBoot.IsZero() {
		// Some write the one into utmp and others, later, the one into the log.
		d := b.From.Sub(ev.UtmpBoot)
		return d >= -sameMoment && d < bootLate
	}
	if s := ev.Stamp; s != nil && s.Boot != ev.Boot && absent(s.Booted.Sub(b.From)) {
		return false // it is the stamp's: that was a short boot, or the clock began at the same time again
	}
	// A clock that begins anew with every boot proves nothing, nor does one that
	// is behind what has been recorded.
	return !ev.Booted.Before(earliest) && !b.To.After(ev.Now.Add(sameMoment)) &&
		!b.From.Before(ev.Booted.Add(-sameMoment)) && !b.From.After(ev.Now.Add(sameMoment))
}

// first reports whether no boot before this one has left anything.
func (ev Evidence) first() bool { return ev.Stamp == nil && ev.Sign == nil }

// inPresent reports whether a record's time lies in the present boot.
func (ev Evidence) inPresent(t time.Time) bool {
	return !ev.Booted.Before(earliest) && !t.Before(ev.Booted) && !t.After(ev.Now.Add(sameMoment))
}

// signOf returns the sign if it was left in that boot.
func (ev Evidence) signOf(b Boot) *Sign {
	s := ev.Sign
	switch {
	case s == nil || s.Boot == "" || s.Boot == ev.Boot:
		return nil
	case !b.Told:
	case ev.Stamp != nil && ev.Stamp.Booted.Sub(b.From).Abs() < bootLate:
		if ev.Stamp.Boot != s.Boot {
			return nil // the stamp is that boot's, and this is another's
		}
	case s.At.Before(b.From.Add(-sameMoment)):
		return nil // of a boot before it; the clock may have been set, but nothing tells
	}
	return s
}

// when weighs what is known of the end of a boot that has no record of it.
func (ev Evidence) when(last Boot, sign *Sign) Verdict {
	v := Verdict{End: Crashed, At: last.To, By: FromRecords}
	if sign != nil {
		until := sign.At.Add(sign.Every + sameMoment)
		switch {
		case sign.State == EndOfAll && !last.To.After(sign.At.Add(lateLogout)):
			at := sign.At
			if last.To.After(at) {
				at = last.To
			}
			return Verdict{End: ShutDown, At: at, Exact: Exactness{Known: true}, By: FromHeartbeat}
		case sign.State == Beating && !last.To.After(until):
			v.Exact, v.By = Exactness{Known: true, Within: sign.Every}, FromHeartbeat
			if sign.At.After(v.At) {
				v.At = sign.At
			}
			if !ev.readAfter(until) {
				return v
			}
			v.Exact = Exactness{} // it lived on without a beat
		case sign.At.After(v.At):
			v.At, v.By = sign.At, FromHeartbeat
		}
	}
	// Under relatime, whoever read the log after the boot has moved it.
	if ev.readAfter(v.At) {
		v.At, v.By = ev.Accessed, FromAccess
	}
	return v
}

// readAfter reports whether the log was read after t and before this boot.
func (ev Evidence) readAfter(t time.Time) bool {
	return ev.Accessed.After(t) && ev.Accessed.Before(ev.Booted)
}

// notAfterBoot sees to it that no end lies behind this boot if the clock can be
// believed, and says so where not.
func (ev Evidence) notAfterBoot(v Verdict, last Boot) Verdict {
	ahead := v.At.Sub(ev.Booted)
	switch {
	case ahead <= 0:
	case !last.To.After(ev.Booted) && ahead <= v.Exact.Within+sameMoment:
		v.At = ev.Booted // two clocks that differ a little
	default:
		v.Behind = true
	}
	return v
}
