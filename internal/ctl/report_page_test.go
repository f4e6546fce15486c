// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestPage: the page says what the text says. What a browser makes of it is in test/browser.
func TestPage(t *testing.T) {
	l := reportedWeek(t)
	if out := l.do("report", "-since", "2026-07-01", "-html", l.path("week.html")); out != "" {
		t.Errorf("it printed %q", out)
	}
	page := string(l.read("week.html"))
	p := readPage(page)
	want := map[string]string{"Available": "93.750 to 93.854 %", "Boots": "2", "Crashes": "1", "Up": "PT54000S", "Down": "PT3540S",
		"Up or down: unknown": "PT60S", "Sessions": "4", "Users": "2", "On for, in all": "PT23400S to PT23460S", "On now": "1"}
	if diff := cmp.Diff(want, p.facts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, text := range []string{
		"<title>Logins of lab, 2026-07-01 00:00:00 to 2026-07-01 16:00:00</title>",
		"How the sessions ended: 2 logout, 1 crash, 1 still-on.",
		`aria-label="2 boots, 1 crash; up 15h00m, down 59m00s"`,
		`aria-label="on: 2026-07-01"`,
		`<th scope=row><bdi>carol\x1b[2J</bdi></th>`,
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %s", text)
		}
	}
	if strings.Contains(page, "What to know") {
		t.Error("notes, and nothing was told")
	}
	if info, err := os.Stat(l.path("week.html")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text := l.do("report", "-since", "2026-07-01")
	if got := l.do("report", "-text", "-since", "2026-07-01", "-html", l.path("again.html")); got != text {
		t.Errorf("with -text: %s", got)
	}
	if again := string(l.read("again.html")); again != page {
		t.Error("another page of the same time")
	}
	if got := l.do("report", "-since", "2026-07-01", "-html", "-"); got != page {
		t.Error("another page on standard output")
	}
	l.check(os.Symlink("week.html", l.path("link.html")))
	l.check(os.WriteFile(l.path("week.html"), []byte("old"), 0o600))
	l.do("report", "-since", "2026-07-01", "-html", l.path("link.html"))
	if got := string(l.read("week.html")); got != page {
		t.Error("a link was not followed")
	}
}

// TestPageOfNames: nothing that a record holds becomes a part of the page.
func TestPageOfNames(t *testing.T) {
	l := newLab(t)
	r := login(`"><b onx=1>`, 900, "2026-07-01 09:00")
	r.User, r.Host = `</td><script>a&amp;`, `<img src=x>'`
	l.logs(system(utmpx.BootTime, "reboot", "2026-07-01 08:00"), r)
	l.until("2026-07-01 16:00")
	page := l.do("report", "-html", "-")
	for _, bad := range []string{"<script", "<img", "<b ", `'>`, "a&amp;<"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	row := readPage(page).tables["Sessions"][0]
	if diff := cmp.Diff([]string{r.User, r.Line, r.Host}, row[:3]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestPageTellsDamage: what could not be read is on the page, too.
func TestPageTellsDamage(t *testing.T) {
	l := reportedWeek(t)
	log := l.read("wtmp")
	half := utmpx.Native().Size() * 4
	l.write("wtmp", slices.Concat(log[:half], []byte(strings.Repeat("x", 1000)), log[half:]))
	status, page, errs := l.try("report", "-html", "-")
	if status != 1 || !strings.Contains(page, "What to know") {
		t.Errorf("status %d, and on the page no note; told:\n%s", status, errs)
	}
	for line := range strings.Lines(errs) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "utmpctl: "))
		if !strings.HasPrefix(line, "report:") && !strings.Contains(page, line) {
			t.Errorf("the page lacks %q", line)
		}
	}
}

// TestPageRefuses: two outputs to one place, and a directory that is none.
func TestPageRefuses(t *testing.T) {
	l := reportedWeek(t)
	if status, _, errs := l.try("report", "-text", "-html", "-"); status != 2 {
		t.Errorf("status %d: %s", status, errs)
	}
	if status, _, errs := l.try("report", "-html", l.path("none/x.html")); status != 1 || !strings.Contains(errs, "none: no such file") {
		t.Errorf("status %d: %s", status, errs)
	}
}

func TestTicks(t *testing.T) {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.Local)
	tests := []struct {
		name string
		from time.Time
		to   time.Time
		want string
	}{
		{"minutes", day.Add(9 * time.Hour), day.Add(9*time.Hour + 5*time.Minute), "09:00 09:01 09:02 09:03 09:04"},
		{"hours", day.Add(20*time.Hour + time.Minute), day.Add(26 * time.Hour), "21:00 22:00 23:00 11-23 01:00"},
		{"a day", day, day.AddDate(0, 0, 1), "11-22 03:00 06:00 09:00 12:00 15:00 18:00 21:00"},
		{"a week", day, day.AddDate(0, 0, 7), "11-22 11-23 11-24 11-25 11-26 11-27 11-28"},
		{"a month", day, day.AddDate(0, 1, 0), "11-22 11-29 12-06 12-13 12-20"},
		{"a year", day, day.AddDate(1, 0, 0), "2027-01 2027-04 2027-07 2027-10"},
		{"a century", day, day.AddDate(100, 0, 0), "2046 2066 2086 2106 2126"},
		{"no time", day, day, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, k := range (chart{tt.from, tt.to}).ticks() {
				got = append(got, k.label)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestPageCrowd: those who may have been on, after the end of the log, are not drawn as if
// they had been.
func TestPageCrowd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "wtmp")
	log := encode(t, system(utmpx.BootTime, "reboot", "2026-07-01 00:00"), login("pts/0", 900, "2026-07-01 02:00"), login("pts/1", 901, "2026-07-01 05:00"))
	if err := os.WriteFile(name, log, 0o600); err != nil {
		t.Fatal(err)
	}
	page := string(ran(t, "report", "-html", "-", "-f", name, "-since", "2026-07-01", "-until", "2026-07-01 10:00"))
	_, row, _ := strings.Cut(page, ">On at once<")
	row, _, _ = strings.Cut(row, "</tr>")
	// Two from a half of the time on, one of whom since a fifth of it. The log ends with a login.
	want := []string{`<path class=perhaps d="M0 10H200V5H500V0H1000V10z"/>`, `<path class=on d="M0 10H200V5H501V10H1000V10z"/>`}
	for _, text := range want {
		if !strings.Contains(row, text) {
			t.Errorf("%s lacks %s", row, text)
		}
	}
}
