// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSize bounds how many bytes of a file are read, maxWarnings how many faults
// in it are reported.
const (
	maxSize     = 64 << 10
	maxWarnings = 100
)

// ErrNotRegular is the error for a directory, a pipe or a device.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is the error for a file of more than 64 kB.
var ErrTooLarge = errors.New("larger than 64 kB")

// Load reads the file called name, or [DefaultFile] if name is empty, and fills
// in the paths that the file leaves to the system. A missing default file sets
// nothing and is no error. Any other file that cannot be read whole is an error:
// then Load returns the defaults with it. It does not wait for the writer of a
// pipe.
func Load(name string) (Config, []Warning, error) {
	file := cmp.Or(name, DefaultFile)
	text, err := read(file)
	switch {
	case name == "" && errors.Is(err, fs.ErrNotExist):
		return Default().withPaths(), nil, nil
	case err != nil:
		return Default().withPaths(), nil, fmt.Errorf("config: %w", err)
	}
	c, w := Parse(strings.NewReader(text), file)
	return c.withPaths(), w, nil
}

// Line returns the number of the last line of a file that sets key, 1 if there
// is none. It serves warnings about a value whose fault shows only in use.
func Line(name, key string) int {
	text, _ := read(name)
	last, n := 1, 0
	for line := range strings.Lines(text) {
		n++
		if set, _, _ := assignment(strings.TrimSuffix(line, "\n")); set == key {
			last = n
		}
	}
	return last
}

func read(name string) (string, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSize {
		return "", &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	return string(b), nil
}

// Parse reads at most 64 kB of settings from r. The warnings give name as their
// file. A key set twice has its last value, as in a shell. A path that is not set
// is empty. Parse never fails: each fault is a warning, and there are at most 101.
func Parse(r io.Reader, name string) (Config, []Warning) {
	p := parser{c: Default(), file: name, set: make(map[string]int)}
	b, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if len(b) > maxSize {
		b, err = b[:maxSize], ErrTooLarge
	}
	text := string(b)
	if rest, ok := strings.CutPrefix(text, "\ufeff"); ok {
		p.warn(1, "begins with a byte order mark")
		text = rest
	}
	last := 0
	for line := range strings.Lines(text) {
		last++
		p.line(last, strings.TrimSuffix(line, "\n"))
	}
	if p.c.UtmpxFile != "" && p.c.UtmpxFile == p.c.WtmpxFile {
		p.c.WtmpxFile = ""
		p.warnInstead(p.set["WTMPX_FILE"], "WTMPX_FILE is the UTMPX_FILE", "the default")
	}
	if err != nil {
		p.warn(max(last, 1), "the rest could not be read: "+err.Error())
	}
	if p.more > 0 {
		p.warnings = append(p.warnings, Warning{File: name, Line: last, Text: fmt.Sprintf("and %d more warnings up to here", p.more)})
	}
	return p.c, p.warnings
}

type parser struct {
	c        Config
	file     string
	set      map[string]int // the line in which a key was last set
	crlf     bool           // a warning says that lines end in CR LF
	warnings []Warning
	more     int // warnings beyond maxWarnings
}

func (p *parser) warn(n int, text string) { p.warnInstead(n, text, "") }

// warnInstead warns of a fault for which a value is replaced.
func (p *parser) warnInstead(n int, text, instead string) {
	if len(p.warnings) == maxWarnings {
		p.more++
		return
	}
	p.warnings = append(p.warnings, Warning{p.file, n, text, instead})
}

func (p *parser) line(n int, s string) {
	if t, ok := strings.CutSuffix(s, "\r"); ok {
		if s = t; !p.crlf {
			p.crlf = true
			p.warn(n, "lines end in CR LF; the CR is left out")
		}
	}
	name, value, err := assignment(s)
	if name == "" {
		if err != nil {
			p.warn(n, err.Error())
		}
		return
	}
	k, ok := lookup(name)
	if !ok {
		text := "unknown key " + printable(shorten(name))
		if near := nearest(name); near != "" {
			text += "; did you mean " + near + "?"
		}
		p.warn(n, text)
		return
	}
	if before := p.set[name]; before > 0 {
		p.warn(n, fmt.Sprintf("%s was set in line %d already; this line counts", name, before))
	}
	p.set[name] = n
	if err == nil {
		if err = k.set(&p.c, value); err == nil {
			return
		}
		err = fmt.Errorf("%q %w", shorten(value), err)
	}
	// The default takes the place of an earlier line's value too: that line
	// was meant to be overridden.
	d := Default()
	def := k.get(&d)
	k.set(&p.c, def)
	if def == "" {
		def = "the default"
	}
	p.warnInstead(n, fmt.Sprintf("%s: %v", name, err), def)
}

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
