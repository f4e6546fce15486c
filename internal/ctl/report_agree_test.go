// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// paper is what a page says, cell by cell. A time is as it is in the page's own attribute
// for programs, and so is a duration: to the second, or finer.
type paper struct {
	facts  map[string]string
	tables map[string][][]string // of the sections, by their headings
}

var (
	paperFact    = regexp.MustCompile(`(?s)<div><dt>(.*?)</dt><dd>(.*?)</dd></div>`)
	paperSection = regexp.MustCompile(`(?s)<section><h2[^>]*>(.*?)</h2>(.*?)</section>`)
	paperRow     = regexp.MustCompile(`(?s)<tr[^>]*>(.*?)</tr>`)
	paperCell    = regexp.MustCompile(`(?s)<t[hd][^>]*>(.*?)</t[hd]>`)
	paperTime    = regexp.MustCompile(`<time datetime=([^>]*)>.*?</time>`)
	paperTag     = regexp.MustCompile(`<[^>]*>`)
)

func readPage(page string) paper {
	text := func(s string) string {
		return strings.TrimSpace(html.UnescapeString(paperTag.ReplaceAllString(paperTime.ReplaceAllString(s, "$1"), "")))
	}
	p := paper{facts: map[string]string{}, tables: map[string][][]string{}}
	for _, m := range paperFact.FindAllStringSubmatch(page, -1) {
		p.facts[m[1]] = text(m[2])
	}
	for _, m := range paperSection.FindAllStringSubmatch(page, -1) {
		for _, row := range paperRow.FindAllStringSubmatch(m[2], -1)[1:] {
			var cells []string
			for _, c := range paperCell.FindAllStringSubmatch(row[1], -1) {
				cells = append(cells, text(c[1]))
			}
			p.tables[m[1]] = append(p.tables[m[1]], cells)
		}
	}
	return p
}

// lastLine is what the test takes from a line of `utmpctl last -json`.
type lastLine struct {
	User, Line string
	From, To   *time.Time
	Least      *time.Time `json:"to_least"`
	Most       *time.Time `json:"to_most"`
	Exact      bool
	EndedBy    string   `json:"ended_by"`
	Short      *float64 `json:"lasted_least_seconds"`
	Long       *float64 `json:"lasted_most_seconds"`
}

// disagreements compares a page with what downtime, last and events say of the same files
// and the same time.
func disagreements(do func(args ...string) string, since, until time.Time, more ...string) (wrong []string) {
	with := func(command string, args ...string) string {
		span := []string{command, "-since", since.Format(time.RFC3339Nano), "-until", until.Format(time.RFC3339Nano)}
		return do(slices.Concat(span, more, args)...)
	}
	p := readPage(with("report", "-html", "-"))
	wrong = append(wrong, p.boots(with("downtime", "-json"))...)
	var all []lastLine
	for text := range strings.Lines(with("last", "-json")) {
		var s lastLine
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return append(wrong, err.Error())
		}
		all = append(all, s)
	}
	wrong = append(wrong, p.sessions(all)...)
	return append(wrong, p.users(all, since, until)...)
}

func differ(what string, want, got any) []string {
	if diff := cmp.Diff(want, got); diff != "" {
		return []string{what + " (-want +got)\n" + diff}
	}
	return nil
}

func duration(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return inSeconds(nanoseconds(*seconds))
}

func inSeconds(d time.Duration) string {
	return "PT" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
}

func nanoseconds(seconds float64) time.Duration { return time.Duration(math.Round(seconds * 1e9)) }

func (p *paper) boots(downtime string) (wrong []string) {
	var c claims
	if downtime != "" { // else it could read no record of the log
		if err := json.Unmarshal([]byte(downtime), &c); err != nil {
			return []string{err.Error()}
		}
	}
	if len(c.Boots) == 0 {
		return differ("boots", 0, len(p.tables["Boots and downtime"]))
	}
	for name, want := range map[string]float64{"Up": c.Total.Up, "Down": c.Total.Down, "Up or down: unknown": c.Total.Unknown, "Suspended": c.Total.Slept} {
		if got := p.facts[name]; got != duration(&want) && !(got == "" && want == 0) {
			wrong = append(wrong, fmt.Sprintf("%s: %s, and downtime says %s", name, got, duration(&want)))
		}
	}
	for name, want := range map[string]int{"Boots": c.Total.Boots, "Crashes": c.Total.Crashes} {
		wrong = append(wrong, differ(name, fmt.Sprint(want), p.facts[name])...)
	}
	var want [][]string
	slept := slices.ContainsFunc(c.Boots, func(l line) bool { return l.Slept != nil && *l.Slept > 0 })
	for _, l := range slices.Backward(c.Boots) {
		row := []string{l.From.Local().Format(time.RFC3339), l.To.Local().Format(time.RFC3339), l.End, duration(l.Up), duration(l.Slept), duration(l.Down)}
		if !l.Recorded {
			row[0] += "?"
		}
		if l.End == "running" {
			row[1] = "–"
		}
		if l.Up == nil {
			row[3] = "unknown"
		}
		if !slept {
			row = slices.Delete(row, 4, 5)
		}
		want = append(want, row)
	}
	var got [][]string
	for _, row := range p.tables["Boots and downtime"] {
		row = row[:len(row)-1] // in words
		if n := len(row) - 1; row[n] == "unknown" {
			row[n] = ""
		}
		if slept {
			row[4] = "" // in words
		}
		got = append(got, row)
	}
	if slept {
		for _, row := range want {
			row[4] = ""
		}
	}
	return append(wrong, differ("boots", want, got)...)
}

func (p *paper) sessions(all []lastLine) (wrong []string) {
	rows := p.tables["Sessions"]
	if len(rows) != len(all) || p.facts["Sessions"] != fmt.Sprint(len(all)) {
		return []string{fmt.Sprintf("%d sessions listed, %s counted; last shows %d", len(rows), p.facts["Sessions"], len(all))}
	}
	when := func(t *time.Time) string {
		if t == nil {
			return "–"
		}
		return t.Local().Format(time.RFC3339)
	}
	for i, s := range all {
		want := []string{s.User, s.Line, when(s.From)}
		got := []string{rows[i][0], rows[i][1], rows[i][3]}
		if s.To != nil && s.EndedBy != "still-on" {
			want, got = append(want, when(s.To)), append(got, rows[i][4])
		}
		if s.Short != nil && s.Long != nil && *s.Short == *s.Long {
			want, got = append(want, duration(s.Short)), append(got, rows[i][5])
		}
		wrong = append(wrong, differ("a session", want, got)...)
	}
	return wrong
}

// users compares how long each was on, between since and until, with what the test itself
// adds up from the sessions.
func (p *paper) users(all []lastLine, since, until time.Time) []string {
	type on struct {
		sessions, unknown int
		least, most       time.Duration
	}
	want := map[string]on{}
	unsure := map[string]bool{}
	for _, s := range all {
		// Whether the clock was set after a login of which no more is known, last does not say.
		unsure[s.User] = unsure[s.User] || s.From != nil && s.Most == nil && s.Least != nil && s.Least.Equal(*s.From)
		u := want[s.User]
		u.sessions++
		if least, most, ok := s.within(since, until); ok {
			u.least, u.most = u.least+nanoseconds(least), u.most+nanoseconds(most)
		} else {
			u.unknown++
		}
		want[s.User] = u
	}
	told := map[string][]string{}
	for name, u := range want {
		text := inSeconds(u.least)
		if u.least != u.most {
			text += " to " + inSeconds(u.most)
		}
		if u.unknown > 0 {
			text += fmt.Sprintf(", and %d unknown", u.unknown)
		}
		told[name] = []string{fmt.Sprint(u.sessions), text}
	}
	got := map[string][]string{}
	users := false
	for _, row := range p.tables["Time line"] {
		switch {
		case row[0] == "Users":
			users = true
		case row[0] == "Lines":
			users = false
		case users:
			got[row[0]] = []string{row[2], row[3]}
			if told[row[0]] != nil && unsure[row[0]] {
				got[row[0]], told[row[0]] = got[row[0]][:1], told[row[0]][:1]
			}
		}
	}
	return differ("users", told, got)
}

// within returns bounds for the part of a session between since and until, from what
// `utmpctl last` says of it.
func (s *lastLine) within(since, until time.Time) (least, most float64, ok bool) {
	whole := s.From != nil && !s.From.Before(since) && s.Most != nil && !s.Most.After(until)
	if s.EndedBy == "still-on" {
		return max(0, until.Sub(later(*s.From, since)).Seconds()), max(0, until.Sub(later(*s.From, since)).Seconds()), true
	}
	if whole {
		if s.Short == nil || s.Long == nil {
			return 0, 0, false
		}
		return *s.Short, *s.Long, true
	}
	if s.From == nil || s.Least == nil {
		return 0, 0, false
	}
	set := func(t *time.Time, lasted *float64) bool {
		return t != nil && lasted != nil && abs(t.Sub(*s.From).Seconds()-*lasted) > 1e-3
	}
	if s.Short == nil || s.To != nil && s.To.Before(*s.From) || set(s.Least, s.Short) || set(s.Most, s.Long) {
		return 0, 0, false // the clock was set
	}
	clip := func(t time.Time) float64 {
		if t.After(until) {
			t = until
		}
		return max(0, t.Sub(later(*s.From, since)).Seconds())
	}
	last := until
	if s.Most != nil {
		last = *s.Most
	}
	return clip(*s.Least), clip(last), true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func abs(f float64) float64 { return max(f, -f) }

func manyLogs() uint64 {
	if testing.Short() {
		return 8
	}
	return 40
}

// TestPageAgrees holds that a page says what downtime and last say, to the second, of random
// logs to which everything happens, over random times.
func TestPageAgrees(t *testing.T) {
	for seed := range manyLogs() {
		rng := rand.New(rand.NewPCG(seed, 13))
		name := filepath.Join(t.TempDir(), "wtmp")
		if err := os.WriteFile(name, someLog(t, rng), 0o600); err != nil {
			t.Fatal(err)
		}
		do := func(args ...string) string { return string(ran(t, args...)) }
		for range 5 {
			since := at("08:00").Add(time.Duration(rng.Int64N(int64(4 * 24 * time.Hour)))).Truncate(time.Second)
			until := since.Add(time.Duration(rng.Int64N(int64(4 * 24 * time.Hour)))).Truncate(time.Second)
			if rng.IntN(4) == 0 {
				since, until = at("00:00"), at("00:00").AddDate(0, 0, 9)
			}
			if wrong := disagreements(do, since, until, "-f", name); len(wrong) > 0 {
				t.Fatalf("seed %d, %v to %v:\n%s", seed, since, until, strings.Join(wrong, "\n"))
			}
		}
	}
}

// TestPageTellsEvents: the boots, crashes and ends of sessions that events tells of a log are
// those of its page.
func TestPageTellsEvents(t *testing.T) {
	for seed := range manyLogs() {
		name := filepath.Join(t.TempDir(), "wtmp")
		if err := os.WriteFile(name, someLog(t, rand.New(rand.NewPCG(seed, 14))), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { tellsEvents(t, name, "2026-06-30", "2026-07-20") })
	}
}

// TestPageOfRealWeek: the page of a week that a whole machine wrote agrees with downtime, last
// and events, over all of it and over each of its days.
func TestPageOfRealWeek(t *testing.T) {
	packed, err := os.ReadFile("../../test/browser/testdata/week.wtmp.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "wtmp")
	if err := os.WriteFile(name, log, 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) string { return string(ran(t, args...)) }
	monday := time.Date(2026, 11, 16, 0, 0, 0, 0, time.Local)
	for day := range 7 {
		from := monday.AddDate(0, 0, day)
		for _, since := range []time.Time{monday, from} {
			if wrong := disagreements(do, since, from.AddDate(0, 0, 1), "-f", name); len(wrong) > 0 {
				t.Errorf("%v to %v:\n%s", since, from.AddDate(0, 0, 1), strings.Join(wrong, "\n"))
			}
		}
	}
	tellsEvents(t, name, "2026-11-01", "2026-12-01")
}

// tellsEvents holds that the boots, crashes and ends of sessions that events tells of a log
// are those of its page.
func tellsEvents(t *testing.T, name, since, until string) {
	t.Helper()
	p := readPage(string(ran(t, "report", "-html", "-", "-since", since, "-until", until, "-f", name)))
	var ends, shown []string
	crashed := map[string]bool{}
	for text := range strings.Lines(string(ran(t, "events", "-json", "-f", name))) {
		s := toldIn(t, []byte(text))
		switch {
		case s.Event == "logout" && s.Login != nil && s.Time != nil:
			ends = append(ends, fmt.Sprintf("%s %s %s", s.Line, s.Login.Local().Format(time.RFC3339), s.Time.Local().Format(time.RFC3339)))
		case s.Event == "crash":
			crashed[s.Time.Local().Format(time.RFC3339)] = true
		}
	}
	for _, row := range p.tables["Sessions"] {
		if !strings.Contains(row[6], "the log ends") {
			shown = append(shown, fmt.Sprintf("%s %s %s", row[1], row[3], row[4]))
		}
	}
	slices.Sort(ends)
	slices.Sort(shown)
	if diff := cmp.Diff(ends, shown); diff != "" || len(ends) == 0 {
		t.Fatalf("(-events +page)\n%s", diff)
	}
	crashes := 0
	for _, row := range p.tables["Boots and downtime"] {
		if row[2] != "crashed" {
			continue
		}
		if crashes++; !crashed[row[1]] {
			t.Errorf("a crash at %s, of which events tells nothing", row[1])
		}
	}
	if got := fmt.Sprint(crashes); got != p.facts["Crashes"] {
		t.Errorf("%s crashes, and a list of %s", p.facts["Crashes"], got)
	}
}

// checkReport holds that a page says of a world what downtime and last say of it.
func (w *world) checkReport() {
	if len(w.wrong) > 0 || w.harm.unseen || !w.chance(3) {
		return
	}
	w.sync()
	do := func(args ...string) string {
		status, out, errs := w.try(args...)
		if status != 0 && !(w.harm.ever && strings.Contains(errs, "damaged")) {
			w.broken("5: utmpctl %v: status %d: %s", args, status, errs)
		}
		return out
	}
	now := w.wall()
	since := now.Add(-time.Duration(w.rng.Int64N(int64(40 * 24 * time.Hour)))).Truncate(time.Second)
	if w.chance(2) {
		since = since.AddDate(-90, 0, 0)
	}
	for _, text := range disagreements(do, since, now) {
		w.broken("7: the report: %s", text)
	}
	w.count("reports checked")
}
