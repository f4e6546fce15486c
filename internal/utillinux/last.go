// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"utmpd.dev/utmpd/utmpx"
)

// timeFormat is how times are shown.
type timeFormat int

const (
	shortTime timeFormat = iota
	fullTime
	isoTime
	noTime
)

var timeFormats = map[string]timeFormat{"short": shortTime, "full": fullTime, "iso": isoTime, "notime": noTime}

// last is one call of last or lastb.
type last struct {
	*Program
	bad bool // lastb: the failed logins, each on its own

	files                 []string
	limit                 int32 // of lines; 0 and less: none
	since, until, present int64 // 0: not given
	format                timeFormat
	full, named           bool // -F, --time-format
	hostLast, noHost      bool
	addresses, names      bool // -i, -d
	wide, system, tabs    bool
	who                   []string

	booted   int64
	now      int64 // the time at which the file was opened
	zone     zone
	accounts accounts
	shown    int32 // lines so far
	w        *bufio.Writer
	login    utmpx.Record // memory for the next one
	utf8     bool
	terminal bool                // w is one
	hosts    map[[16]byte]string // names that -d has found
}

const lastHelp = `
Usage:
 %s [options] [user...] [tty...]

List the logins in a wtmp file, the newest first, or with lastb the failed ones
in a btmp file.

Options:
 -<number>               print so many lines
 -a, --hostlast          print the host in the last column
 -d, --dns               print the name that the host's address has now
 -f, --file <file>       read this file; may be given more than once
 -F, --fulltimes         print full times and dates
 -i, --ip                print the host's address
 -n, --limit <number>    print so many lines
 -R, --nohostname        print no host
 -s, --since <time>      only what began at this time or later
 -t, --until <time>      only what began at this time or before
 -T, --tab-separated     separate the columns by tabs
 -p, --present <time>    only who was present at this time
 -w, --fullnames         print full names of users and hosts
 -x, --system            print shutdowns, run levels and clock changes too
     --time-format <how> print times as notime, short, full or iso

 -h, --help              print this help
 -V, --version           print the version

last(1) describes the times. This is the last of utmpd.
`

func (p *Program) last() error {
	l := last{Program: p, bad: p.name() == "lastb", w: output(p.Stdout), utf8: isUTF8(p.Getenv), terminal: isTerminal(p.Stdout)}
	l.zone.load(p.Getenv)
	l.booted = booted(p.Now())
	o := options{short: "0123456789adFf:hin:p:Rs:t:Vwx", posix: p.Getenv("POSIXLY_CORRECT") != "", each: l.option, long: []longOption{
		{"limit", true, 'n'}, {"help", false, 'h'}, {"file", true, 'f'}, {"nohostname", false, 'R'}, {"version", false, 'V'},
		{"hostlast", false, 'a'}, {"since", true, 's'}, {"until", true, 't'}, {"present", true, 'p'}, {"system", false, 'x'},
		{"dns", false, 'd'}, {"ip", false, 'i'}, {"fulltimes", false, 'F'}, {"fullnames", false, 'w'},
	}}
	if !p.old {
		o.short += "T"
		o.long = append(o.long, longOption{"tab-separated", false, 'T'})
	}
	o.long = append(o.long, longOption{"time-format", true, timeFormatOption})
	who, err := o.parse(p.Argv[1:])
	switch {
	case errors.Is(err, errStop):
		return nil
	case err != nil:
		return err
	}
	l.who = who
	if len(l.files) == 0 {
		l.files = []string{"/var/log/wtmp"}
		if l.bad {
			l.files[0] = "/var/log/btmp"
		}
	}
	for _, name := range l.files {
		if err = l.read(name); err != nil {
			break
		}
	}
	if failed := l.w.Flush(); failed != nil {
		return fmt.Errorf("write error: %s", reason(failed))
	}
	return err
}

// timeFormatOption stands for the option that has no letter.
const timeFormatOption = 0x80

func (l *last) option(c rune, arg string) (err error) {
	flags := map[rune]*bool{'a': &l.hostLast, 'd': &l.names, 'i': &l.addresses, 'R': &l.noHost, 'T': &l.tabs, 'w': &l.wide, 'x': &l.system}
	if flag, ok := flags[c]; ok {
		*flag = true
		return nil
	}
	switch c {
	case 'F', timeFormatOption:
		return l.setFormat(c, arg)
	case 'f':
		l.files = append(l.files, arg)
	case 'n':
		l.limit, err = number(arg)
	case 'p':
		l.present, err = l.when(arg)
	case 's':
		l.since, err = l.when(arg)
	case 't':
		l.until, err = l.when(arg)
	case 'h':
		return l.answer(fmt.Sprintf(lastHelp, l.name()))
	case 'V':
		return l.answer(l.versionLine())
	default: // a digit: of -10
		l.limit = l.limit*10 + c - '0'
	}
	return err
}

func (l *last) setFormat(c rune, arg string) error {
	if c == 'F' {
		l.full, l.format = true, fullTime
	} else {
		l.named = true
	}
	if l.full && l.named {
		return errors.New("mutually exclusive arguments: --fulltimes --time-format")
	}
	if c == 'F' {
		return nil
	}
	f, ok := timeFormats[arg]
	if !ok {
		return fmt.Errorf("unknown time format: %s", arg)
	}
	l.format = f
	return nil
}

// when reads a time of an option.
func (l *last) when(arg string) (int64, error) {
	at, ok := l.zone.parse(arg, l.Now(), l.old)
	if !ok {
		return 0, fmt.Errorf("invalid time value \"%s\"", arg)
	}
	return at, nil
}

// number reads the number of -n.
func number(s string) (int32, error) {
	digits := strings.TrimLeft(s, spaces)
	v, n := integer(digits)
	if n == 0 || n < len(digits) {
		return 0, fmt.Errorf("failed to parse number: '%s'", s)
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, fmt.Errorf("failed to parse number: '%s': Numerical result out of range", s)
	}
	return int32(v), nil
}

// read lists what is in one file.
func (l *last) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("cannot open %s: %s", name, reason(err))
	}
	defer f.Close()
	l.now = l.Now().Unix()
	begins, err := begins(f, l.old)
	if err != nil {
		l.warn("cannot read %s: %s", name, reason(err))
	} else if b, err := newBackward(f); err != nil {
		l.warn("seek on %s failed: %s", name, reason(err))
	} else if err := l.history(b); err != nil {
		l.warn("cannot read %s: %s", name, reason(err))
	}
	if l.format == noTime {
		return nil
	}
	_, _ = fmt.Fprintf(l.w, "\n%s begins %s\n", filepath.Base(name), l.zone.appendTime(nil, begins, max(l.format, fullTime)))
	return nil
}

// isUTF8 reports whether the locale's characters are UTF-8.
func isUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			_, codeset, _ := strings.Cut(locale, ".")
			codeset, _, _ = strings.Cut(codeset, "@")
			codeset = strings.ToLower(strings.ReplaceAll(codeset, "-", ""))
			return codeset == "utf8"
		}
	}
	return false
}

// appendDuration appends how long a session lasted: (01:00), or (1+01:00) with days.
func appendDuration(b []byte, secs int64) []byte {
	if 0 <= secs && secs < 86400 {
		b = appendTwo(append(b, " ("...), int(secs)/3600)
		return append(appendTwo(append(b, ':'), int(secs)/60%60), ')')
	}
	minutes, hours, days := secs/60%60, secs/3600%24, secs/86400
	abs := func(v int64) int64 { return max(v, -v) }
	switch {
	case days != 0:
		b = strconv.AppendInt(append(b, '('), days, 10)
		b = appendTwo(append(b, '+'), int(abs(hours)))
	case hours != 0:
		b = appendPadded(append(b, " ("...), hours, 2)
	default:
		b = append(b, " (-00"...)
	}
	b = appendTwo(append(b, ':'), int(abs(minutes)))
	return append(b, ')')
}
