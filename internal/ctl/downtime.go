// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/moments"
)

func downtimeCommand() command {
	return command{
		name:    "downtime",
		summary: "show when the system was down, for how long, and why",
		about: `It reads the wtmp file and its rotated files, compressed or not.
` + moments.Help,
		options: []option{
			jsonOption,
			sinceOption,
			untilOption,
			{name: "f", arg: "FILE", help: "read only FILE; repeat for further files, oldest first", many: true},
			configOption,
		},
		examples: []string{
			"downtime -since 30d                 # of the last 30 days",
			"downtime -f wtmp.old -f wtmp -json  # of another machine",
		},
		run: downtime,
	}
}

func downtime(in call) error {
	var limits [2]time.Time
	for i, name := range []string{"since", "until"} {
		t, err := moments.Parse(in.value(name), in.on.now())
		if err != nil {
			return &usageError{fmt.Errorf("downtime: -%s: %w", name, err), downtimeCommand().usage()}
		}
		limits[i] = t
	}
	if !limits[1].IsZero() && limits[1].Before(limits[0]) {
		return &usageError{errors.New("downtime: -until is before -since"), downtimeCommand().usage()}
	}
	h, own, present, problems := readAll(in)
	all := h.Boots()
	var notes []string
	if own != nil {
		all, notes = own.amended(all, present)
	}
	if !h.Found() && len(all) == 0 && len(problems) > 0 { // the ledger may know what the log lacks
		return errors.Join(problems...)
	}
	for _, p := range problems {
		tell(in.stderr, p)
	}
	for _, n := range notes {
		tell(in.stderr, n)
	}
	ps, sum := boots.Periods(all, limits[0], limits[1], present)
	write := writeJSON
	if !in.set["json"] {
		write = func(w io.Writer, ps []boots.Period, sum boots.Sum) error {
			return writeTable(in.screen(), in.on.now(), w, ps, sum)
		}
	}
	if err := write(in.stdout, ps, sum); err != nil {
		return err
	}
	if len(problems) > 0 {
		return errors.New("downtime: some files could not be read completely; see above")
	}
	return nil
}

// readAll reads the named files, or this machine's whole log. It returns the problems and
// continues with the other files. own and present are nil for named files.
func readAll(in call) (h *boots.History, own *recorder, present *boots.Present, problems []error) {
	h = new(boots.History)
	if named := in.values["f"]; len(named) > 0 {
		return h, nil, nil, readNamed(in, named, h)
	}
	cfg, err := in.settings()
	if err != nil {
		return h, nil, nil, []error{err}
	}
	own = &recorder{in: in, cfg: cfg}
	b := &booting{recorder: own}
	now := in.on.now()
	ev := boots.Evidence{Now: now, Booted: now.Add(-in.on.uptime()), UtmpBoot: b.utmpBoot()}
	switch stamp, ours := own.stamp(); {
	case ours:
		ev.Boot, ev.Stamp = stamp.BootID, &boots.Stamp{Boot: stamp.BootID, Booted: stamp.Time}
	case stamp.BootID != "":
		// A boot that has this stamp is over, though the clock may have begun at its second again.
		ev.Stamp = &boots.Stamp{Boot: "before " + stamp.BootID, Booted: stamp.Time}
	}
	present = &boots.Present{Is: ev.IsPresent, Now: now, Uptime: in.on.uptime()}
	present.Kernel, _ = in.on.up()
	present.Slept, present.SleptKnown = own.slept()
	return h, own, present, readOwn(in, logs.New(cfg.WtmpxFile, logs.Options{Torn: true}), h)
}

// readOwn reads all files of this machine's log.
func readOwn(in call, log *logs.Log, h *boots.History) (problems []error) {
	files, err := log.Files(in.ctx)
	if err != nil {
		problems = append(problems, err)
	}
	missing := true
	for _, f := range files {
		if err := scan(in.ctx, log, f.Name, h); err != nil {
			problems = append(problems, err)
		}
		missing = missing && f.Name != log.Name()
	}
	if missing {
		problems = append(problems, fmt.Errorf("read %s: %w", log.Name(), fs.ErrNotExist))
	}
	return problems
}

// readNamed reads the files of those names, through any symbolic link: it is the user who
// names them.
func readNamed(in call, names []string, h *boots.History) (problems []error) {
	for _, name := range names {
		to, err := typed(name)
		if err == nil {
			err = notLastlog(to, name)
		}
		if err == nil {
			err = scan(in.ctx, logs.New(to, logs.Options{Torn: true, Other: otherForm}), to, h)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// line is one boot in JSON.
type line struct {
	From      time.Time `json:"from"`
	Recorded  bool      `json:"from_recorded"` // false: the start was not recorded, From is the first record of that boot
	To        time.Time `json:"to"`
	End       string    `json:"end"` // "shut down", "crashed", "running", "unknown"
	Up        *float64  `json:"up_seconds"`
	Slept     *float64  `json:"suspended_seconds"`     // null: unknown
	UpLeast   bool      `json:"up_at_least,omitempty"` // it was up for longer: the clock was set
	Down      *float64  `json:"down_seconds"`          // until the next boot
	DownMost  bool      `json:"down_at_most,omitempty"`
	Doubtful  bool      `json:"from_doubtful,omitempty"` // the records of the boot contradict From
	Exact     bool      `json:"exact"`                   // the system ended at To, or Within seconds later at most
	Within    *float64  `json:"within_seconds"`
	KnownFrom string    `json:"known_from,omitempty"`
	Ledger    bool      `json:"from_ledger,omitempty"` // the log lacks the end, or the whole boot
	Damaged   bool      `json:"damaged,omitempty"`     // the log is damaged there: it may be several boots, or have ended there
}

type sum struct {
	From       *time.Time `json:"from"`
	To         *time.Time `json:"to"`
	Boots      int        `json:"boots"`
	Crashes    int        `json:"crashes"`
	Up         float64    `json:"up_seconds"`
	Slept      float64    `json:"suspended_seconds"`
	Down       float64    `json:"down_seconds"`
	Unknown    float64    `json:"unknown_seconds"`
	AvailLeast *float64   `json:"availability_least"`
	AvailMost  *float64   `json:"availability_most"`
}

func writeJSON(w io.Writer, ps []boots.Period, s boots.Sum) error {
	out := struct {
		Boots []line `json:"boots"`
		Total sum    `json:"total"`
	}{[]line{}, sumOf(s, len(ps) > 0)}
	for _, p := range ps {
		l := line{From: p.From, Recorded: p.Recorded, To: p.To, End: endOf(p), Up: seconds(p.AwakeFor, p.UpKnown), Slept: seconds(p.Slept, p.SleptKnown), UpLeast: p.UpLeast,
			Down: seconds(p.DownFor, p.DownKnown), DownMost: downMost(p), Doubtful: doubtful(p), KnownFrom: string(p.By), Ledger: p.Ledger,
			Damaged: damaged(p)}
		if p.End != boots.Open {
			l.Exact = p.Exact.Known && !l.Doubtful && !l.Damaged
			l.Within = seconds(p.Exact.Within, l.Exact)
		}
		out.Boots = append(out.Boots, l)
	}
	return printJSON(w, "  ", out)
}

// sumOf returns a sum for JSON; booted: of some boots.
func sumOf(s boots.Sum, booted bool) sum {
	out := sum{Boots: s.Boots, Crashes: s.Crashes,
		Up: s.Up.Seconds(), Slept: s.Slept.Seconds(), Down: s.Down.Seconds(), Unknown: s.Unknown.Seconds()}
	if booted {
		out.From, out.To = &s.From, &s.To
	}
	if least, most, ok := s.Availability(); ok {
		out.AvailLeast, out.AvailMost = &least, &most
	}
	return out
}

func seconds(d time.Duration, known bool) *float64 {
	if !known {
		return nil
	}
	s := d.Seconds()
	return &s
}

func endOf(p boots.Period) string {
	switch {
	case p.Running:
		return "running"
	case p.End == boots.Open:
		return "unknown"
	}
	return p.End.String()
}

func writeTable(s screen, now time.Time, w io.Writer, ps []boots.Period, sum boots.Sum) error {
	if len(ps) == 0 {
		_, err := fmt.Fprintln(w, "no boots")
		return err
	}
	zone, _ := ps[len(ps)-1].From.Local().Zone()
	cols := []column{{name: "FROM (" + zone + ")"}, {name: "TO"}, {name: "END"}, {name: "UP"}, {name: "SUSPENDED"}, {name: "DOWN"}, {name: "EXACT", least: 8}}
	used := slices.Repeat([]bool{true}, len(cols))
	used[4] = slices.ContainsFunc(ps, func(p boots.Period) bool { return p.Slept > 0 })
	t := s.table(w, only(cols, used)...)
	clock := s.days(now)
	for _, p := range ps {
		from, to := string(clock.appendAny(nil, p.From)), short(p.To)
		if !p.Recorded {
			from += "?"
		}
		switch {
		case p.Running:
			to = ""
		case s.width > 0 && s.width < roomy:
			to = string(clock.appendShort(nil, p.To, p.From))
		}
		t.row(only([]string{from, to, endOf(p), up(p), slept(p), down(p), exact(p)}, used)...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	return writeSum(s, w, sum)
}

func writeSum(on screen, w io.Writer, s boots.Sum) error {
	available, suspended, unknown := availability(s), "", ""
	if available != "" {
		available = "; available " + available
	}
	if s.Slept > 0 {
		suspended = ", suspended " + length(s.Slept, true)
	}
	if s.Unknown > 0 {
		unknown = ", unknown " + length(s.Unknown, true)
	}
	_, err := fmt.Fprintf(w, "\n%s%s", on.folded(fmt.Sprintf("%s to %s: %s, %s;", short(s.From), short(s.To), count(s.Boots, "boot", "boots"), count(s.Crashes, "crash", "crashes"))),
		on.folded(fmt.Sprintf("up %s%s, down %s%s%s", length(s.Up, true), suspended, length(s.Down, true), unknown, available)))
	return err
}

// availability formats the part of the time in which the system was up; "" if unknown.
func availability(s boots.Sum) string {
	least, most, ok := s.Availability()
	switch {
	case !ok:
		return ""
	case s.Unknown > 0:
		return fmt.Sprintf("%.3f to %.3f %%", 100*least, 100*most)
	}
	return fmt.Sprintf("%.3f %%", 100*least)
}

// folded returns a text in lines of at most 80 columns. It breaks them at the blank behind a
// comma or a semicolon, and on a narrower screen at any blank.
func (s screen) folded(text string) string {
	if s.width > 0 && s.width < 80 {
		return s.paragraph("", text)
	}
	var b strings.Builder
	column := 0
	for len(text) > 0 {
		n := len(text)
		for i := range len(text) - 1 {
			if (text[i] == ',' || text[i] == ';') && text[i+1] == ' ' {
				n = i + 1
				break
			}
		}
		part := text[:n]
		text = strings.TrimPrefix(text[n:], " ")
		switch {
		case column == 0:
		case column+1+n > 80:
			b.WriteString("\n")
			column = 0
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(part)
		column += n
	}
	return b.String() + "\n"
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// up formats how long the system was up in a period.
func up(p boots.Period) string {
	if p.UpLeast && p.UpKnown {
		return "> " + length(p.AwakeFor.Truncate(time.Second), true)
	}
	return length(p.AwakeFor, p.UpKnown)
}

// slept formats how long the system was suspended in a period; "" if unknown.
func slept(p boots.Period) string {
	if !p.SleptKnown {
		return ""
	}
	return length(p.Slept, true)
}

// down formats how long the system was down after a period.
func down(p boots.Period) string {
	switch {
	case !p.Follows:
		return ""
	case downMost(p):
		return "< " + length(roundUp(p.DownFor), true)
	}
	return length(p.DownFor, p.DownKnown)
}

// downMost reports whether the system was down for less than DownFor says.
func downMost(p boots.Period) bool {
	return p.DownKnown && p.DownFor > 0 && (!p.Exact.Known || p.DownMost)
}

// doubtful reports whether the clock was wrong at the beginning of a period.
func doubtful(p boots.Period) bool { return p.Doubtful() || p.Unsure() || p.UpLeast && !p.Holed() }

// damaged reports whether the log is damaged in a period, or where it ended: the records may
// be of several boots.
func damaged(p boots.Period) bool {
	return !p.Running && (p.Holed() || p.End == boots.Open && p.Damaged)
}

// exact formats how exact the end of a period is, and names the ledger if the log
// lacks that end.
func exact(p boots.Period) string {
	s := exactness(p)
	switch {
	case !p.Ledger:
		return s
	case s == "":
		return "from the ledger"
	}
	return s + ", from the ledger"
}

func exactness(p boots.Period) string {
	switch {
	case damaged(p):
		return "no: the log is damaged"
	case p.End == boots.Open:
		return ""
	case !p.Exact.Known:
		return "no: last sign of life"
	case doubtful(p):
		return "no: the clock was set"
	case p.Exact.Within > 0:
		return fmt.Sprintf("+%d s", int64(p.Exact.Within/time.Second))
	}
	return "yes"
}

// roundUp rounds a duration up to the smaller unit that length shows, so that it stays
// the most that it can be.
func roundUp(d time.Duration) time.Duration {
	unit := time.Second
	switch {
	case d >= 24*time.Hour:
		unit = time.Hour
	case d >= time.Hour:
		unit = time.Minute
	}
	return (d + unit - 1).Truncate(unit)
}

// short formats a time in local time.
func short(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// length formats a duration in its two largest units.
func length(d time.Duration, known bool) string {
	if !known {
		return "unknown"
	}
	return string(appendLength(make([]byte, 0, 16), d))
}

// appendLength appends what length returns.
func appendLength(b []byte, d time.Duration) []byte {
	s := int64(d / time.Second)
	if d%time.Second >= time.Second/2 {
		s++
	} else if d%time.Second <= -time.Second/2 {
		s--
	}
	switch {
	case s >= 86400:
		return appendUnits(b, s/86400, 'd', s%86400/3600, 'h')
	case s >= 3600:
		return appendUnits(b, s/3600, 'h', s%3600/60, 'm')
	case s >= 60:
		return appendUnits(b, s/60, 'm', s%60, 's')
	}
	return append(strconv.AppendInt(b, s, 10), 's')
}

// appendUnits appends a duration in two units, the smaller one in two digits.
func appendUnits(b []byte, n int64, unit byte, m int64, smaller byte) []byte {
	b = append(strconv.AppendInt(b, n, 10), unit)
	return append(b, byte('0'+m/10), byte('0'+m%10), smaller)
}
