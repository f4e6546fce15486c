// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

var (
	since = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	until = since.AddDate(0, 0, 7)
)

// hostile is a name that a login client may choose, in a record's 32 bytes.
const hostile = `"><script>alert(1)</script>`

// week is the log of a machine with a crash, with people and with what is no person.
func week(t *testing.T) []byte {
	rng := rand.New(rand.NewPCG(1, 13))
	var recs []utmpx.Record
	add := func(r utmpx.Record, at time.Time) {
		r.Time = utmpx.TimeOf(at)
		recs = append(recs, r)
	}
	boot := utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12"}
	add(boot, since.Add(-30*time.Hour))
	crash := since.Add(101*time.Hour + 17*time.Minute)
	back := crash.Add(4 * time.Hour)
	type session struct {
		user, line, host string
		from, to         time.Duration
	}
	var all []session
	for day := range 7 {
		start := time.Duration(day)*24*time.Hour + 8*time.Hour
		all = append(all,
			session{"alice", "pts/0", "desk.example.org", start + time.Duration(rng.IntN(3600))*time.Second, start + 9*time.Hour},
			session{"bob", "pts/1", "2001:db8::17", start + 2*time.Hour, start + 3*time.Hour + time.Duration(rng.IntN(3600))*time.Second},
			session{"backup", "ftpd4711", "10.0.0.9", start - 6*time.Hour, start - 6*time.Hour + 4*time.Minute})
	}
	all = append(all, session{hostile, "pts/7", `<img src=http://192.0.2.1/x>`, 30 * time.Hour, 31 * time.Hour},
		session{"rev\u202eersed\x1b[2J", "pts/8", "a&b", 32 * time.Hour, 33 * time.Hour},
		session{"مريم", "pts/9", "حاسوب", 50 * time.Hour, 52 * time.Hour},
		session{"dora", "tty1", "", 98 * time.Hour, -1})
	type event struct {
		at time.Time
		r  utmpx.Record
	}
	var events []event
	down := func(t time.Time) bool { return !t.Before(crash) && t.Before(back) }
	for i, s := range all {
		r := utmpx.Record{Type: utmpx.UserProcess, PID: int32(1000 + i), Line: s.line, ID: fmt.Sprint(i), User: s.user, Host: s.host}
		if down(since.Add(s.from)) {
			continue
		}
		events = append(events, event{since.Add(s.from), r})
		if s.to >= 0 && !down(since.Add(s.to)) {
			r.Type, r.User, r.Host = utmpx.DeadProcess, "", ""
			events = append(events, event{since.Add(s.to), r})
		}
	}
	events = append(events, event{crash, utmpx.Record{Type: utmpx.RunLevel, Line: "~", ID: "~~", User: "shutdown", Host: "crash+60s,heartbeat"}}, event{back, boot})
	for len(events) > 0 {
		first := 0
		for i := range events {
			if events[i].at.Before(events[first].at) {
				first = i
			}
		}
		add(events[first].r, events[first].at)
		events = append(events[:first], events[first+1:]...)
	}
	return encode(t, recs)
}

func encode(t *testing.T, recs []utmpx.Record) (b []byte) {
	t.Helper()
	for _, r := range recs {
		p, err := utmpx.Native().Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, p...)
	}
	return b
}

// report makes a page of a log of week, and returns its name and the options that it covers.
func report(t *testing.T, log []byte) (name string, span []string) {
	t.Helper()
	return reportOf(t, log, since, until)
}

func reportOf(t *testing.T, log []byte, since, until time.Time) (name string, span []string) {
	t.Helper()
	file := filepath.Join(host.dir, "wtmp-"+t.Name())
	if err := os.WriteFile(file, log, 0o600); err != nil {
		t.Fatal(err)
	}
	span = []string{"-f", file, "-since", since.Format(time.RFC3339), "-until", until.Format(time.RFC3339)}
	name = t.Name() + ".html"
	utmpctl(t, append([]string{"report", "-html", filepath.Join(host.dir, name)}, span...)...)
	return name, span
}

// TestSeen looks at the page at two widths, light and dark.
func TestSeen(t *testing.T) {
	name, span := report(t, week(t))
	for _, width := range []int{1280, 390} {
		b := open(t, name, width)
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprint(width, "-", scheme), func(t *testing.T) {
				b.t = t
				b.prefers(scheme)
				b.quiet()
				b.fits()
				b.legible()
				b.drawn(b.picture(fmt.Sprint(width, "-", scheme), true), span, since, until, 40)
			})
		}
		b.t = t
	}
}

// quiet holds that the page asked for nothing, runs nothing, and that the browser has
// nothing to complain of.
func (b *browser) quiet() {
	b.t.Helper()
	for _, a := range b.seen {
		switch a.Method {
		case "Network.requestWillBeSent":
			if !strings.Contains(string(a.Params), `"url":"file:///data/`+"Test") {
				b.t.Errorf("a request: %s", a.Params)
			}
		case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening":
			b.t.Errorf("%s: %s", a.Method, a.Params)
		}
	}
	var n int
	b.eval(`document.querySelectorAll('script,img,link,iframe,object,embed,[onerror],[onload]').length`, &n)
	if n > 0 {
		b.t.Errorf("%d elements that load or run something", n)
	}
}

// fits holds that nothing is wider than the window, but for what scrolls by itself.
func (b *browser) fits() {
	b.t.Helper()
	var wide []string
	b.eval(`[...document.querySelectorAll('body *')].filter(e => !e.closest('.wide table') && !e.closest('svg') && e.getBoundingClientRect().right > innerWidth + 1)
		.map(e => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 40))`, &wide)
	if len(wide) > 0 {
		b.t.Errorf("wider than the window: %q", wide)
	}
	var over []string
	b.eval(`(() => { const all = [...document.querySelectorAll('.axis span')].filter(e => getComputedStyle(e).display != 'none').map(e => [e.textContent, e.getBoundingClientRect()]);
		return all.filter((a, i) => i > 0 && all[i-1][1].right > a[1].left).map(a => a[0]) })()`, &over)
	if len(over) > 0 {
		b.t.Errorf("these times of the axis are written over others: %q", over)
	}
}

// legible holds that text has a contrast of 4.5 at least, and what is drawn one of 3, as
// WCAG 2.2 asks for (1.4.3, 1.4.11).
func (b *browser) legible() {
	b.t.Helper()
	var faint []string
	b.eval(`(() => {
		const rgb = c => c.match(/[\d.]+/g).map(Number);
		const light = c => { const [r, g, b] = rgb(c).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
		const ground = light(getComputedStyle(document.documentElement).backgroundColor);
		const contrast = c => { const l = light(c); return (Math.max(l, ground) + .05) / (Math.min(l, ground) + .05) };
		const faint = [];
		for (const e of document.querySelectorAll('body *')) {
			const s = getComputedStyle(e);
			if ([...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) && contrast(s.color) < 4.5) faint.push('text ' + e.className + ' ' + s.color);
			if (e.tagName == 'path' && !e.closest('.grid,defs') && contrast(s.fill == 'none' ? s.stroke : s.fill) < 3) faint.push('drawn ' + e.getAttribute('class') + ' ' + s.fill);
		}
		return [...new Set(faint)];
	})()`, &faint)
	if len(faint) > 0 {
		b.t.Errorf("too faint: %q", faint)
	}
}

// drawn holds that each session that `utmpctl last` tells is where the picture shows it, in
// the row of its user and in that of its line, and that the free time between is free.
func (b *browser) drawn(img image.Image, span []string, since, until time.Time, least int) {
	b.t.Helper()
	var on, ground string
	b.eval(`getComputedStyle(document.querySelector('.lines path.on')).fill`, &on)
	b.eval(`getComputedStyle(document.documentElement).backgroundColor`, &ground)
	rows := b.rows()
	seen := 0
	busy := map[string][][2]float64{}
	for line := range strings.Lines(utmpctl(b.t, append([]string{"last", "-json"}, span...)...)) {
		var s struct {
			User, Line string
			From       time.Time
			Least      time.Time `json:"to_least"`
			Most       time.Time `json:"to_most"`
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			b.t.Fatal(err)
		}
		if s.Most.IsZero() { // the log ends before the session
			s.Most = until
		}
		for _, name := range []string{shown(s.User), s.Line} {
			box, ok := rows[name]
			if !ok {
				b.t.Fatalf("no row of %q among %v", name, rows)
			}
			x := func(at time.Time) float64 {
				return box.X + box.Width*at.Sub(since).Seconds()/until.Sub(since).Seconds()
			}
			busy[name] = append(busy[name], [2]float64{x(s.From), max(x(s.From), x(s.Most))})
			mid := (x(s.From) + x(s.Least)) / 2
			if c := at(img, mid, box.Y+box.Height/2); !nearer(c, want(on), want(ground)) {
				b.t.Errorf("%s from %v to %v: %v at %.1f, want %s", name, s.From, s.Least, c, mid, on)
			}
			seen++
		}
	}
	if seen < least {
		b.t.Errorf("%d places of sessions looked at", seen)
	}
	for name, all := range busy {
		box := rows[name]
		for x := box.X + 1; x < box.X+box.Width-1; x++ {
			c := at(img, x, box.Y+box.Height/2)
			free := true
			for _, s := range all {
				free = free && (x < s[0]-3 || x > s[1]+3)
			}
			if free && nearer(c, want(on), want(ground)) {
				b.t.Errorf("%s: drawn as on at %.0f, where no session is: %v", name, x, all)
				break
			}
		}
	}
}

// TestHeard holds what a screen reader finds: a language, one main heading and those of the
// parts, tables whose cells have headings, a name for each drawing and for each region that
// the keyboard reaches.
func TestHeard(t *testing.T) {
	name, _ := report(t, week(t))
	for _, width := range []int{1280, 390} {
		b := open(t, name, width)
		var tree struct {
			Nodes []struct {
				Ignored    bool
				Role, Name struct{ Value any }
				Properties []struct {
					Name  string
					Value struct{ Value any }
				}
			}
		}
		b.ask("Accessibility.getFullAXTree", nil, &tree)
		heard := map[string][]string{}
		for _, n := range tree.Nodes {
			if !n.Ignored {
				role := fmt.Sprint(n.Role.Value)
				heard[role] = append(heard[role], fmt.Sprint(n.Name.Value))
			}
		}
		for role, want := range map[string][]string{
			"heading": {"Logins of wtmp-TestHeard", "Time line", "Who was on when", "Boots and downtime", "Sessions"},
			"region":  {"Boots and downtime", "Sessions"},
			"main":    {""},
		} {
			if fmt.Sprint(heard[role]) != fmt.Sprint(want) {
				t.Errorf("%d: %s: %q, want %q", width, role, heard[role], want)
			}
		}
		if n := len(heard["table"]); n != 4 {
			t.Errorf("%d: %d tables, want 4", width, n)
		}
		if n := len(heard["row"]); n < 50 {
			t.Errorf("%d: %d rows", width, n)
		}
		for _, role := range []string{"image", "rowheader", "region"} {
			for _, name := range heard[role] {
				if name == "" || name == "<nil>" {
					t.Errorf("%d: %s without a name", width, role)
				}
			}
		}
		label := ""
		b.eval(`[...document.querySelectorAll('.lines tr')].find(r => r.querySelector('th')?.textContent == 'alice').querySelector('svg').getAttribute('aria-label')`, &label)
		if want := "on: 2026-11-22 to 2026-11-25, 2026-11-27 to 2026-11-28"; label != want {
			t.Errorf("%q, want %q", label, want)
		}
		var lang string
		if b.eval(`document.documentElement.lang`, &lang); lang != "en" {
			t.Errorf("language %q", lang)
		}
	}
}

// TestPrinted prints the page for somebody who prefers a dark screen: all that it has is on
// paper, dark on white.
func TestPrinted(t *testing.T) {
	name, span := report(t, week(t))
	b := open(t, name, 1280)
	b.prefers("dark")
	file := b.printed("report")
	b.onPaper(file, span, 20, "97.516 to 97.526 %", "Who was on when", "crash, +1m00s", "Ended by")
	img := paper(t, file, 1)
	counts := map[color.RGBA]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			counts[at(img, float64(x), float64(y))]++
		}
	}
	all := img.Bounds().Dx() * img.Bounds().Dy()
	if white := counts[color.RGBA{255, 255, 255, 255}]; white < all*8/10 {
		t.Errorf("%d of %d points are white", white, all)
	}
	if on := counts[color.RGBA{0x1d, 0x5f, 0xbf, 255}]; on < 50 {
		t.Errorf("%d points have the colour of sessions", on)
	}
}

// onPaper holds that each session that `utmpctl last` tells is in a PDF, and so many at
// least, and so are some texts.
func (b *browser) onPaper(file string, span []string, least int, texts ...string) {
	t := b.t
	t.Helper()
	text := strings.Join(strings.Fields(string(inRoot(t, "pdftotext", "-raw", file, "-"))), " ")
	n := 0
	for line := range strings.Lines(utmpctl(t, append([]string{"last", "-json"}, span...)...)) {
		var s struct {
			Host string
			From time.Time
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		n++
		if from := s.From.Format("2006-01-02 15:04:05"); !strings.Contains(text, from) || !strings.Contains(text, s.Host) && ascii(s.Host) {
			t.Errorf("not on paper: %s %s", s.Host, from)
		}
	}
	for _, want := range texts {
		if !strings.Contains(text, want) {
			t.Errorf("not on paper: %q", want)
		}
	}
	if n < least || t.Failed() {
		t.Errorf("%d sessions; the text is\n%s", n, text)
	}
}

// paper returns what a page of a PDF looks like.
func paper(t *testing.T, file string, page int) image.Image {
	t.Helper()
	name := fmt.Sprintf("%s-%d", strings.TrimSuffix(file, ".pdf"), page)
	inRoot(t, "pdftoppm", "-png", "-r", "60", "-f", fmt.Sprint(page), "-l", fmt.Sprint(page), "-singlefile", file, name)
	data, err := os.ReadFile(filepath.Join(host.dir, name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	keep(t, name+".png", data)
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > '~' }) < 0
}

// TestMany holds that a page of 100,000 sessions is no burden: it is small, it has few
// elements, and the browser is done with it soon.
func TestMany(t *testing.T) {
	var recs []utmpx.Record
	recs = append(recs, utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12", Time: utmpx.TimeOf(since)})
	const n = 100_000
	rng := rand.New(rand.NewPCG(2, 13))
	for i := range n {
		at := since.Add(time.Duration(i) * (7 * 24 * time.Hour / n))
		line := fmt.Sprint("pts/", i%900)
		recs = append(recs, utmpx.Record{Type: utmpx.DeadProcess, PID: int32(1000 + i%900), Line: line, ID: line[3:], Time: utmpx.TimeOf(at)},
			utmpx.Record{Type: utmpx.UserProcess, PID: int32(1000 + i%900), Line: line, ID: line[3:], User: fmt.Sprint("user", rng.IntN(3000)), Host: "desk", Time: utmpx.TimeOf(at)})
	}
	name, _ := report(t, encode(t, recs))
	info, err := os.Stat(filepath.Join(host.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, name, 1280)
	var work struct{ Elements, Done, Rows float64 }
	b.eval(`({Elements: document.querySelectorAll('*').length, Done: performance.getEntriesByType('navigation')[0].loadEventEnd, Rows: document.querySelectorAll('[aria-labelledby=sessions] tbody tr').length})`, &work)
	b.picture("many", false)
	t.Logf("%d bytes, %v elements, loaded in %v ms", info.Size(), work.Elements, work.Done)
	if info.Size() > 1<<20 {
		t.Errorf("the page has %d bytes", info.Size())
	}
	if work.Elements > 40_000 || work.Rows != 2000 {
		t.Errorf("%v elements, %v rows of sessions", work.Elements, work.Rows)
	}
	if work.Done > 5000 {
		t.Errorf("loaded after %v ms", work.Done)
	}
	var text string
	b.eval(`document.body.innerText`, &text)
	text = strings.Join(strings.Fields(text), " ")
	for _, want := range []string{"Sessions 100000", "and 2960 other users", "These are the newest 2000 of 100000 sessions. All: utmpctl last -since \"2026-11-22 00:00:00\" -until"} {
		if !strings.Contains(text, want) {
			t.Errorf("not on the page: %q", want)
		}
	}
}

type box struct{ X, Y, Width, Height float64 }

// rows returns where each row of the time line is drawn, by its name.
func (b *browser) rows() map[string]box {
	b.t.Helper()
	rows := map[string]box{}
	b.eval(`Object.fromEntries([...document.querySelectorAll('.lines tr')].filter(r => r.querySelector('td.drawn')).map(r => {
		const s = r.querySelector('svg').getBoundingClientRect();
		return [r.querySelector('th').textContent, {X: s.x + scrollX, Y: s.y + scrollY, Width: s.width, Height: s.height}] }))`, &rows)
	return rows
}

// shown is a user's name as a page has it.
func shown(user string) string {
	return strings.NewReplacer("\x1b", `\x1b`, "\u202e", `\xe2\x80\xae`).Replace(user)
}

var number = regexp.MustCompile(`\d+`)

func want(css string) (c color.RGBA) {
	var v []uint8
	for _, s := range number.FindAllString(css, 3) {
		var n int
		fmt.Sscan(s, &n)
		v = append(v, uint8(n))
	}
	return color.RGBA{v[0], v[1], v[2], 255}
}

// nearer reports whether a colour is rather the one than the other: edges are mixed.
func nearer(c, one, other color.RGBA) bool {
	far := func(a color.RGBA) int {
		d := func(x, y uint8) int { return (int(x) - int(y)) * (int(x) - int(y)) }
		return d(c.R, a.R) + d(c.G, a.G) + d(c.B, a.B)
	}
	return far(one) < far(other)/4
}

func at(img image.Image, x, y float64) color.RGBA {
	return color.RGBAModel.Convert(img.At(int(x), int(y))).(color.RGBA)
}
