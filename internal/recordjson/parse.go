// SPDX-License-Identifier: BSD-2-Clause

package recordjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Parse reads what [Append] wrote, also if fields were changed or left out since; only the
// type must be there. If it has the raw bytes of a record, the record keeps them, but for
// the fields that were changed: see [utmpx.Layout.Encode]. The layout is the one that the line
// names; nil if it names none. Errors name the field.
func Parse(line []byte) (utmpx.Record, *utmpx.Layout, error) {
	given, err := fields(line)
	if err != nil {
		return utmpx.Record{}, nil, err
	}
	p := parser{given: given}
	l := p.layout()
	r := p.origin(l)
	r.Type = p.typ()
	p.value("pid", &r.PID)
	p.text("line", &r.Line)
	p.text("id", &r.ID)
	p.text("user", &r.User)
	p.text("host", &r.Host)
	p.addr(&r)
	p.value("session", &r.Session)
	p.value("exit_termination", &r.Exit.Termination)
	p.value("exit_status", &r.Exit.Exit)
	p.time(&r.Time)
	return r, l, p.end()
}

// fields returns the fields of an object that is all of the line. One that is there twice is an
// error: package json would take the last one without a word.
func fields(line []byte) (map[string]json.RawMessage, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(line, &given); err != nil {
		return nil, fmt.Errorf("not an object of JSON: %w", err)
	}
	if given == nil {
		return nil, errors.New("not an object of JSON: null")
	}
	if name := twice(line, len(given)); name != "" {
		return nil, fmt.Errorf("field %s: it is there twice", name)
	}
	return given, nil
}

// twice returns a name that a valid object has more than once, and has so many different ones;
// "" if there is none.
func twice(line []byte, different int) string {
	if colons(line) <= different {
		return ""
	}
	seen := make(map[string]bool, different)
	d := json.NewDecoder(bytes.NewReader(line))
	_, _ = d.Token() // the brace
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break // not of a valid object
		}
		text, _ := name.(string)
		if seen[text] {
			return strings.Trim(clip(text), `"`)
		}
		seen[text] = true
	}
	return ""
}

// colons counts what may be the colons of names: those behind a quote.
func colons(line []byte) (n int) {
	for i, c := range line {
		if c == ':' && bytes.HasSuffix(bytes.TrimRight(line[:i], " \t\r\n"), []byte(`"`)) {
			n++
		}
	}
	return n
}

// parser takes the fields out one by one. It keeps the first error.
type parser struct {
	given map[string]json.RawMessage
	err   error
}

func (p *parser) fail(field string, err error) {
	if p.err == nil {
		p.err = fmt.Errorf("field %s: %w", field, err)
	}
}

// value sets v to a field's value, and reports whether there is one. null is none.
func (p *parser) value(field string, v any) bool {
	raw, ok := p.given[field]
	delete(p.given, field)
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			err = fmt.Errorf("%s is not a value of this field", clip(string(raw)))
		}
		p.fail(field, err)
		return false
	}
	return true
}

// clip returns the beginning of a text for a message, in printable characters.
func clip(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return fmt.Sprintf("%q", s)
}

// layout returns the layout that the line names, or nil.
func (p *parser) layout() *utmpx.Layout {
	var name string
	if !p.value("layout", &name) {
		return nil
	}
	l, err := utmpx.ByName(name)
	if err != nil {
		p.fail("layout", errors.New(strings.TrimPrefix(err.Error(), "utmpx: ")))
	}
	return l
}

// origin returns the record that raw holds, the zero one without it.
func (p *parser) origin(l *utmpx.Layout) utmpx.Record {
	var raw []byte
	if !p.value("raw", &raw) {
		return utmpx.Record{}
	}
	if l == nil {
		p.fail("layout", errors.New("missing, with raw"))
		return utmpx.Record{}
	}
	if len(raw) != l.Size() {
		p.fail("raw", fmt.Errorf("%d bytes; a record of %s has %d", len(raw), l, l.Size()))
		return utmpx.Record{}
	}
	return l.Decode(string(raw))
}

// types are the names of all types.
var types = func() map[string]utmpx.Type {
	all := map[string]utmpx.Type{}
	for t := utmpx.Empty; t <= utmpx.DownTime; t++ {
		all[t.String()] = t
	}
	return all
}()

func (p *parser) typ() utmpx.Type {
	raw := p.given["type"]
	var number int16
	if json.Unmarshal(raw, &number) == nil && string(raw) != "null" {
		delete(p.given, "type")
		return utmpx.Type(number)
	}
	var name string
	if !p.value("type", &name) {
		p.fail("type", errors.New("missing"))
	} else if _, ok := types[name]; !ok {
		p.fail("type", fmt.Errorf("%s is neither a number nor a type such as USER_PROCESS", clip(name)))
	}
	return types[name]
}

func (p *parser) text(field string, s *string) {
	var text string
	var raw []byte
	has := p.value(field, &text)
	if p.value(field+"_raw", &raw) {
		if has && lossy(string(raw)) != text {
			p.fail(field, errors.New("it is not what "+field+"_raw says; leave one of the two out"))
		}
		text, has = string(raw), true
	}
	if has {
		*s = text
	} else {
		*s = ""
	}
}

func (p *parser) addr(r *utmpx.Record) {
	var text string
	was := r.Addr
	r.Addr = [16]byte{}
	if !p.value("addr", &text) {
		return
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		p.fail("addr", fmt.Errorf("%s is not an address", clip(text)))
		return
	}
	if addr.Zone() != "" {
		p.fail("addr", fmt.Errorf("%s: no record holds the zone %s", clip(text), clip(addr.Zone())))
		return
	}
	if ip, ok := (utmpx.Record{Addr: was}).IP(); ok && ip == addr {
		r.Addr = was
		return
	}
	r.SetIP(addr)
}

func (p *parser) time(t *utmpx.Time) {
	var text string
	*t = utmpx.Time{}
	sec := p.value("time_sec", &t.Sec)
	usec := p.value("time_usec", &t.Usec)
	if !p.value("time", &text) {
		return
	}
	if sec || usec {
		p.fail("time", errors.New("it is there twice: with time_sec, leave it out"))
		return
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		p.fail("time", fmt.Errorf("%s is not a time such as 2026-07-01T08:00:00.123456Z", clip(text)))
		return
	}
	*t = utmpx.TimeOf(at)
}

// end reports the first error, or a field that nobody knows.
func (p *parser) end() error {
	if p.err == nil && len(p.given) > 0 {
		var names []string
		for name := range p.given {
			names = append(names, clip(name))
		}
		slices.Sort(names)
		return fmt.Errorf("field %s: there is no such field", names[0])
	}
	return p.err
}
