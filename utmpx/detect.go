// SPDX-License-Identifier: BSD-2-Clause

package utmpx

// Confidence says how sure a [Guess] is.
type Confidence int

// The degrees of confidence.
const (
	None   Confidence = iota // nothing speaks for any layout
	Unsure                   // a layout fits some records, but not nearly all
	Sure                     // a layout fits nearly all records, and no other does
)

// String returns "none", "unsure" or "sure".
func (c Confidence) String() string {
	switch c {
	case Sure:
		return "sure"
	case Unsure:
		return "unsure"
	}
	return "none"
}

// Guess is what [Detect] found.
type Guess struct {
	Layout     *Layout // nil if Confidence is None
	Confidence Confidence
	Fits       int  // records that fit the layout
	Odd        int  // records that do not
	Blank      bool // the data is empty or all zero: it may be any layout's
}

// judged is how many records that are not blank are looked at.
const judged = 64

// Detect tells the layout of the records in data, the beginning of a file, by
// their fields. The size says nothing: 7600 bytes are 19 records or 25. At most
// 64 records that are not blank are looked at.
//
// Where two layouts read the same (glibc's and musl's records of 400 bytes),
// it is this machine's own; and on a machine whose glibc writes another size,
// musl's, if the byte order is the machine's.
func Detect(data []byte) Guess { return detect(data, Native()) }

func detect(data []byte, native *Layout) Guess {
	var best Guess
	second := 0 // the most records that fit another layout
	blank := isZero(data)
	for _, l := range layouts {
		if l.twin() != l || blank {
			continue
		}
		fits, odd := l.Judge(data)
		lead := (fits - odd) - (best.Fits - best.Odd)
		switch {
		case fits == 0:
		case best.Layout == nil, lead > 0, lead == 0 && l == native.twin():
			second = max(second, best.Fits)
			best = Guess{Layout: l, Fits: fits, Odd: odd}
		default:
			second = max(second, fits)
		}
	}
	best.Blank = blank
	switch {
	case best.Fits <= best.Odd:
		best.Layout = nil
		return best
	case best.Fits >= 9*best.Odd && best.Fits > 2*second:
		best.Confidence = Sure
	default:
		best.Confidence = Unsure
	}
	best.Layout = best.Layout.choose(native)
	return best
}

// choose returns the layout of those that read the same as l which a file on
// a machine with that native layout has.
func (l *Layout) choose(native *Layout) *Layout {
	for _, t := range layouts {
		if t == l || t.twin() != l {
			continue
		}
		// Its glibc writes 384 bytes: who writes 400 here is musl.
		if t == native || native != l && native.big == l.big && !native.swapTime {
			return t
		}
	}
	return l
}

// twin returns the layout that stands for all that read the same bytes alike.
func (l *Layout) twin() *Layout {
	switch l {
	case Musl400LE:
		return Glibc400LE
	case Musl400BE:
		return Glibc400BE
	}
	return l
}

// Judge counts the records in data that fit the layout, and those that are odd
// in it: text that is none, a pid or a time that cannot be. Blank ones count for
// neither, nor do those without a type or a time, or with a time of a clock that
// was not set: they look plausible in many layouts. It ends after 64 that count.
func (l *Layout) Judge(data []byte) (fits, odd int) {
	for ; len(data) >= l.size && fits+odd < judged; data = data[l.size:] {
		b := data[:l.size]
		switch {
		case isZero(b):
		case !l.plausible(b):
			odd++
		case getNum(l.big, b, num{l.typ, 2, false}) != int64(Empty) && getNum(l.big, b, l.sec) >= earliest:
			fits++
		}
	}
	return fits, odd
}

// Limits of what a record in use holds.
const (
	earliest = 315532800 // 1980: before utmpx, after a clock that began in 1970, and more than a count of microseconds
	maxPID   = 1 << 24   // Linux goes to 1<<22
)

func (l *Layout) plausible(b []byte) bool {
	typ := getNum(l.big, b, num{l.typ, 2, false})
	pid := getNum(l.big, b, num{l.pid, 4, false})
	sec, usec := getNum(l.big, b, l.sec), getNum(l.big, b, l.usec)
	switch {
	case typ < 0 || typ > int64(DownTime):
		return false
	case pid < 0 || pid > maxPID:
		return false
	case sec < 0 || sec > 1<<32-1:
		return false
	case usec < 0 || usec > 999_999 || sec == 0 && usec != 0:
		return false
	}
	return l.line.printable(b) && l.user.printable(b) && l.host.printable(b)
}

// printable reports whether a field holds text, in any encoding, up to a NUL.
func (f text) printable(b []byte) bool {
	for _, c := range b[f.off : f.off+f.width] {
		switch {
		case c == 0:
			return true
		case c < 0x20 || c == 0x7f:
			return false
		}
	}
	return true
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
