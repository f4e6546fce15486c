// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/atomicfile"
	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/version"
)

//go:embed report.css
var reportStyle string

// page is a report as HTML. It has no scripts, and its policy lets a browser fetch nothing.
// Whatever comes from a record goes through text.
type page struct {
	r *summary
	s screen
	c chart
	b bytes.Buffer
}

// writePage writes a report to a file, or to standard output if its name is "-".
func writePage(r *summary, name string, stdout io.Writer) error {
	p := &page{r: r, s: screen{unicode: true}, c: r.chart}
	p.head()
	p.facts()
	p.notes()
	p.timeLine()
	p.days()
	p.boots()
	p.sessions()
	p.put("<footer><p class=soft>Made by utmpctl %s at %s.</p></footer>\n</main>\n</body>\n</html>\n", p.text(version.String()), p.moment(r.now))
	if name == "-" {
		_, err := stdout.Write(p.b.Bytes())
		return err
	}
	if to, err := typed(name); err == nil {
		name = to
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, p.b.Bytes(), 0o666)
	}
	return atomicfile.Write(name, 0o666, atomicfile.Bytes(p.b.Bytes()))
}

// put appends HTML. Its arguments are numbers, and what text returns.
func (p *page) put(form string, args ...any) { fmt.Fprintf(&p.b, form, args...) }

// text returns a text as HTML. Names are isolated, since some are written to the left.
func (p *page) text(v string) string { return html.EscapeString(p.s.text(v)) }

func (p *page) name(v string) string {
	if ascii(v) {
		return p.text(v)
	}
	return "<bdi>" + p.text(v) + "</bdi>"
}

// moment returns a time as HTML.
func (p *page) moment(t time.Time) string { return timeTag(t, short(t)) }

func timeTag(t time.Time, shown string) string {
	return fmt.Sprintf("<time datetime=%s>%s</time>", t.Local().Format(time.RFC3339), html.EscapeString(shown))
}

// spanTag returns a duration as HTML: a text in two units, and the exact seconds.
func spanTag(d time.Duration, shown string) string {
	return fmt.Sprintf("<time datetime=PT%sS>%s</time>", strconv.FormatFloat(d.Seconds(), 'f', -1, 64), html.EscapeString(shown))
}

// onFor is length as HTML.
func (u *usage) onFor() string {
	text := spanTag(u.least, u.atLeast())
	if u.most != u.least {
		text += " to " + spanTag(u.most, length(roundUp(u.most), true))
	}
	if u.unknown > 0 {
		text += fmt.Sprintf(", and %d unknown", u.unknown)
	}
	return text
}

func (p *page) head() {
	r := p.r
	zone, _ := r.until.Local().Zone()
	_, style, _ := strings.Cut(reportStyle, "*/\n")
	of := p.text(r.of)
	p.put("<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n")
	p.put("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")
	p.put("<meta name=viewport content=\"width=device-width\">\n<meta name=robots content=noindex>\n")
	p.put("<title>Logins of %s, %s to %s</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", of, short(r.since), short(r.until), style)
	p.put("<h1>Logins of <bdi>%s</bdi></h1>\n<p>%s to %s (%s)</p>\n", of, p.moment(r.since), p.moment(r.until), zone)
}

// facts are the numbers that one looks for first.
func (p *page) facts() {
	p.put("<dl class=facts>\n")
	fact := func(name, value string) { p.put("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value) }
	lasted := func(name string, d time.Duration) { fact(name, spanTag(d, length(d, true))) }
	if r := p.r; r.booted {
		if text := availability(r.sum); text != "" {
			fact("Available", text)
		}
		fact("Boots", fmt.Sprint(r.sum.Boots))
		fact("Crashes", fmt.Sprint(r.sum.Crashes))
		lasted("Up", r.sum.Up)
		if r.sum.Slept > 0 {
			lasted("Suspended", r.sum.Slept)
		}
		lasted("Down", r.sum.Down)
		if r.sum.Unknown > 0 {
			lasted("Up or down: unknown", r.sum.Unknown)
		}
	}
	fact("Sessions", fmt.Sprint(p.r.all.sessions))
	fact("Users", p.r.userCount())
	if p.r.all.sessions > 0 {
		fact("On for, in all", p.r.all.onFor())
	}
	if p.r.all.on > 0 {
		fact("On now", fmt.Sprint(p.r.all.on))
	}
	p.put("</dl>\n")
	if !p.r.booted {
		p.put("<p>No boot is known.</p>\n")
	} else {
		p.put("<p>The log tells of boots from %s to %s.</p>\n", p.moment(p.r.sum.From), p.moment(p.r.sum.To))
	}
	if p.r.all.sessions == 0 {
		p.put("<p>No sessions.</p>\n")
	} else {
		p.put("<p>How the sessions ended: %s.</p>\n", p.r.ended())
	}
}

// notes say what could not be read.
func (p *page) notes() {
	if len(p.r.notes) == 0 {
		return
	}
	p.put("<section class=notes><h2>What to know about these numbers</h2>\n<ul>\n")
	for _, n := range p.r.notes {
		p.put("<li>%s</li>\n", p.text(n))
	}
	p.put("</ul></section>\n")
}

// bar draws a place of the time line. The label says what is drawn.
func (p *page) bar(label string, paths ...string) {
	p.put("<td class=drawn role=cell><span class=box><svg viewBox=\"0 0 %d 10\" preserveAspectRatio=none role=img aria-label=\"%s\"><use href=\"#grid\"/>", steps, label)
	for i := 0; i < len(paths); i += 2 {
		if paths[i+1] != "" {
			p.put("<path class=%s d=\"%s\"/>", paths[i], paths[i+1])
		}
	}
	p.put("</svg>")
}

func (p *page) timeLine() {
	p.put("<section><h2 id=line>Time line</h2>\n")
	p.key()
	ticks := p.c.ticks()
	p.put("<svg width=0 height=0 style=\"position:absolute\" aria-hidden=true><defs><path id=grid class=grid d=\"")
	for _, t := range ticks {
		p.put("M%.4g 0V10", p.c.place(t.at))
	}
	p.put("M0 0\"/></defs></svg>\n")
	p.put("<table class=lines role=table aria-labelledby=line>\n<thead role=rowgroup><tr role=row><th scope=col role=columnheader>Whose</th><th scope=col role=columnheader class=drawn aria-label=\"When\"><span class=\"box axis\" aria-hidden=true>")
	for _, t := range ticks {
		p.put("<span style=\"left:%.4g%%\">%s</span>", p.c.place(t.at)*100/steps, timeTag(t.at, t.label))
	}
	p.put("</span></th>")
	for _, name := range []string{"Sessions", "On for", "On now"} {
		p.put("<th scope=col role=columnheader class=n>%s</th>", name)
	}
	p.put("<th scope=col role=columnheader>Last login</th></tr></thead>\n<tbody role=rowgroup>\n")
	p.system()
	p.crowd()
	p.put("</tbody>\n")
	if p.r.all.sessions > 0 {
		p.group("Users", "user", "users", p.r.users, p.r.left)
		p.group("Lines", "line", "lines", p.r.lines, p.r.leftLines)
	}
	p.put("</table></section>\n")
}

// key explains the drawing.
func (p *page) key() {
	p.put("<ul class=key>\n")
	for _, k := range [][3]string{
		{"up", "M0 2h10v6h-10z", "system up"}, {"down", "M0 0h10v10h-10z", "down"}, {"unknown", "M0 4h10v2h-10z", "up or down is not known"},
		{"on", "M0 1h10v8h-10z", "on"}, {"perhaps", "M0 4h10v2h-10z", "may have been on: the end is not known exactly"},
	} {
		p.put("<li><svg viewBox=\"0 0 10 10\" preserveAspectRatio=none aria-hidden=true><path class=%s d=\"%s\"/></svg>%s</li>\n", k[0], k[1], k[2])
	}
	p.put("<li><span class=crash aria-hidden=true>✕</span>crash</li>\n</ul>\n")
	if step := p.c.step(); step >= time.Second {
		p.put("<p class=soft>What lasted less than %s is drawn as long as that.</p>\n", length(step, true))
	}
}

func (p *page) system() {
	p.put("<tr role=row><th scope=row role=rowheader>System</th>")
	if !p.r.booted {
		p.bar("no boot is known")
		p.put("</span></td><td role=cell colspan=4 class=free>no boot is known</td></tr>\n")
		return
	}
	u, sum := p.c.drawBoots(p.r.periods, p.r.sum), p.r.sum
	text := fmt.Sprintf("%s, %s; up %s, down %s", count(sum.Boots, "boot", "boots"), count(sum.Crashes, "crash", "crashes"), length(sum.Up, true), length(sum.Down, true))
	p.bar(text, "up", u.up.path(2, 8), "down", u.down.path(0, 10), "unknown", u.unknown.path(4, 6), "start", u.starts.lines())
	for i := range steps {
		if u.crashes.has(i) {
			p.put("<span class=crash style=\"left:%.4g%%\" aria-hidden=true>✕</span>", (float64(i)+.5)*100/steps)
		}
	}
	p.put("</span></td><td role=cell colspan=4 class=free>%s</td></tr>\n", text)
}

// lines returns the steps as lines in a drawing.
func (m *marks) lines() string {
	var b strings.Builder
	for i := range steps {
		if m.has(i) {
			fmt.Fprintf(&b, "M%d 0V10", i)
		}
	}
	return b.String()
}

func (p *page) crowd() {
	_, most, when := p.r.crowd.counts()
	if most == 0 {
		return
	}
	from := p.c.since.Add(time.Duration(float64(p.c.until.Sub(p.c.since)) * float64(when) / steps))
	text := fmt.Sprintf("at most %s within %s, from %s on", count(int(most), "session", "sessions"), length(p.c.step(), true), short(from))
	p.put("<tr role=row><th scope=row role=rowheader>On at once</th>")
	p.bar(text, "perhaps", p.r.crowd.path(10, most), "on", p.r.certain.path(10, most))
	p.put("</span></td><td role=cell colspan=4 class=free>%s</td></tr>\n", text)
}

// group is the rows of all users, or of all lines.
func (p *page) group(title, one, many string, all map[string]*usage, left int) {
	names := byTime(all)
	p.put("<tbody role=rowgroup><tr role=row><th scope=rowgroup role=rowheader class=part colspan=6>%s</th></tr>\n", title)
	for _, name := range names[:min(len(names), reportedUsers)] {
		u := all[name]
		p.put("<tr role=row><th scope=row role=rowheader>%s</th>", p.name(name))
		p.bar(p.r.calendar.said(u), "perhaps", pathOf(u.drawn.perhaps.without(&u.drawn.on), 4, 6), "on", u.drawn.on.path(1, 9))
		p.put("</span></td>")
		p.put("<td role=cell class=n data-name=sessions>%d</td><td role=cell class=n data-name=\"on for\">%s</td><td role=cell class=n data-name=\"on now\">%d</td>", u.sessions, u.onFor(), u.on)
		p.put("<td role=cell data-name=\"last login\">%s</td></tr>\n", p.lastLogin(u))
	}
	if n := len(names) - reportedUsers; n > 0 || left > 0 {
		text := count(max(0, n), "other "+one, "other "+many)
		if left > 0 {
			text += fmt.Sprintf(", and %s of others", count(left, "session", "sessions"))
		}
		p.put("<tr role=row><th scope=row role=rowheader colspan=6>and %s</th></tr>\n", text)
	}
	p.put("</tbody>\n")
}

func (p *page) lastLogin(u *usage) string {
	if u.last.IsZero() {
		return "before"
	}
	return p.moment(u.last)
}

func pathOf(m marks, from, to int) string { return m.path(from, to) }

// days is who was on when.
func (p *page) days() {
	if p.r.all.sessions == 0 {
		return
	}
	k := &p.r.calendar
	p.put("<section><h2>Who was on when</h2>\n<table class=days>\n<caption>Each %s with sessions. A ? is behind whoever may have been on.</caption>\n", k.unit)
	p.put("<thead><tr><th scope=col>%s</th><th scope=col class=n>Sessions</th><th scope=col>Users</th></tr></thead>\n<tbody>\n", strings.ToUpper(k.unit[:1])+k.unit[1:])
	names := byTime(p.r.users)
	var sure, perhaps int32
	for i, from := range k.begins {
		sure, perhaps = sure+p.r.sure[i], perhaps+p.r.perhaps[i]
		if perhaps == 0 {
			continue
		}
		n := fmt.Sprint(perhaps)
		if sure != perhaps {
			n = fmt.Sprintf("%d to %d", sure, perhaps)
		}
		p.put("<tr><th scope=row class=time>%s</th><td class=n>%s</td><td class=free>%s</td></tr>\n", timeTag(from, from.Format(k.form)), n, p.on(names, i))
	}
	p.put("</tbody></table></section>\n")
}

// mostNames is how many users a row names.
const mostNames = 20

// on names who was on in a row of the calendar.
func (p *page) on(names []string, row int) string {
	var b strings.Builder
	n := 0
	for _, name := range names {
		u := p.r.users[name]
		if !u.days.has(row) && !u.maybe.has(row) {
			continue
		}
		if n++; n > mostNames {
			continue
		}
		if n > 1 {
			b.WriteString(", ")
		}
		b.WriteString(p.name(name))
		if !u.days.has(row) {
			b.WriteString("?")
		}
	}
	if n > mostNames {
		fmt.Fprintf(&b, " and %s", count(n-mostNames, "other", "others"))
	}
	return b.String()
}

// mostRows is how many boots, and how many sessions, a page lists.
const mostRows = 2000

// boots are those of `utmpctl downtime`, the newest first.
func (p *page) boots() {
	ps := p.r.periods
	if len(ps) == 0 {
		return
	}
	p.put("<section><h2 id=boots>Boots and downtime</h2>\n<div class=wide tabindex=0 role=region aria-labelledby=boots><table>\n<caption>The newest first. Down is the time until the next boot.</caption>\n<thead><tr>")
	slepts := slices.ContainsFunc(ps, func(p boots.Period) bool { return p.Slept > 0 })
	for _, name := range []string{"From", "To", "End", "Up", "Suspended", "Down", "Exact"} {
		if name != "Suspended" || slepts {
			p.put("<th scope=col>%s</th>", name)
		}
	}
	p.put("</tr></thead>\n<tbody>\n")
	for i := len(ps) - 1; i >= max(0, len(ps)-mostRows); i-- {
		b := ps[i]
		from, to := p.moment(b.From), p.moment(b.To)
		if !b.Recorded {
			from += "?"
		}
		if b.Running {
			to = "–"
		}
		p.put("<tr><th scope=row class=time>%s</th><td>%s</td><td>%s</td><td>%s</td>", from, to, endOf(b), lasting(b.AwakeFor, b.UpKnown, up(b)))
		if slepts {
			p.put("<td>%s</td>", slept(b))
		}
		p.put("<td>%s</td><td class=free>%s</td></tr>\n", lasting(b.DownFor, b.Follows && b.DownKnown, down(b)), html.EscapeString(exact(b)))
	}
	p.put("</tbody></table></div>\n")
	p.rest(len(ps), "boots", "downtime")
	p.put("</section>\n")
}

// lasting is spanTag for what may be unknown.
func lasting(d time.Duration, known bool, shown string) string {
	if !known {
		return html.EscapeString(shown)
	}
	return spanTag(d, shown)
}

// rest says what was not listed, and how to see it.
func (p *page) rest(n int, what, command string) {
	if n > mostRows {
		p.put("<p>These are the newest %d of %d %s. All: <code>utmpctl %s%s</code></p>\n", mostRows, n, what, command,
			p.text(fmt.Sprintf(` -since "%s" -until "%s"%s`, short(p.r.since), short(p.r.until), p.r.files)))
	}
}

// sessions are those of `utmpctl last`.
func (p *page) sessions() {
	if p.r.all.sessions == 0 {
		return
	}
	p.put("<section><h2 id=sessions>Sessions</h2>\n<div class=wide tabindex=0 role=region aria-labelledby=sessions><table>\n<caption>The newest first.</caption>\n<thead><tr>")
	for _, name := range []string{"User", "Line", "Host", "From", "To", "For", "Ended by"} {
		p.put("<th scope=col>%s</th>", name)
	}
	p.put("</tr></thead>\n<tbody>\n")
	p.b.Write(p.r.rows)
	p.put("</tbody></table></div>\n")
	p.rest(p.r.all.sessions, "sessions", "last")
	p.put("</section>\n")
}
