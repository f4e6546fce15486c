// SPDX-License-Identifier: BSD-2-Clause

package utmpx

// Confidence is how certain the answer of [Detect] is.
type Confidence int

// The degrees of confidence.
const (
	None   Confidence = iota // no layout fits
	Unsure                   // one fits some records, but not nearly all, or another fits as well
	Sure                     // one fits nearly all records, and no other does
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

// Detect finds the layout of the records in data, the beginning of a file. It goes
// by the content of the fields: 7600 bytes are 19 records of one layout and 25 of
// another. It looks at no more than 64 records that are not blank. The layout is
// nil if none fits, and if data is empty or all zero.
//
// Glibc's and musl's records of 400 bytes read alike. Detect returns this machine's
// own layout of the two. On a machine whose glibc writes another size it returns
// musl's for files in the machine's byte order, glibc's for others.
func Detect(data []byte) (*Layout, Confidence) { return detect(data, Native()) }

func detect(data []byte, native *Layout) (*Layout, Confidence) {
	var best *Layout
	var most, odd int // what best fits, and what not
	second := 0       // the most records that fit another layout
	for _, l := range layouts {
		if l.twin() != l {
			continue
		}
		f, o := l.Fit(data)
		lead := (f - o) - (most - odd)
		switch {
		case f == 0:
		case best == nil, lead > 0, lead == 0 && l == native.twin():
			second = max(second, most)
			best, most, odd = l, f, o
		default:
			second = max(second, f)
		}
	}
	switch {
	case most <= odd:
		return nil, None
	case most >= 9*odd && most > 2*second:
		return best.choose(native), Sure
	}
	return best.choose(native), Unsure
}

// choose returns, of the layouts that read the same as l, the one that a file on a
// machine with that native layout has.
func (l *Layout) choose(native *Layout) *Layout {
	for _, t := range layouts {
		if t == l || t.twin() != l {
			continue
		}
		// Its glibc writes 384 bytes; what writes 400 here is musl.
		if t == native || native != l && native.big == l.big && !native.swapTime {
			return t
		}
	}
	return l
}

// twin returns the one layout that represents all that read the same bytes alike.
func (l *Layout) twin() *Layout {
	switch l {
	case Musl400LE:
		return Glibc400LE
	case Musl400BE:
		return Glibc400BE
	}
	return l
}

// judged is how many records Fit counts.
const judged = 64

// Fit counts the records in data that fit the layout, and the odd ones: those with
// control characters in a string, or a type, process or time out of range. It stops
// after 64. Blank records count for neither, nor do records without a type or with a
// time before 1980, which look plausible in many layouts. It counts nothing for one of
// [Foreign].
func (l *Layout) Fit(data []byte) (fits, odd int) {
	if l.foreign != nil {
		return 0, 0
	}
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
