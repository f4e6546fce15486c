// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"utmpd.dev/utmpd/internal/foreign"
	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/utillinux"
	"utmpd.dev/utmpd/utmpx"
)

func undumpCommand() command {
	return command{
		name:    "undump",
		summary: "make records of what dump has printed",
		about: `It reads lines of JSON, or of utmpdump(1), from FILE or standard input, and
writes records, of the layout that the first line names; else of this machine's.
A field of JSON that was edited changes that field alone.`,
		options: []option{
			{name: "to", arg: "LAYOUT", help: "write records of this layout, whatever the lines name", among: outputNames()},
		},
		args: argument{name: "[FILE]", help: "file", most: 1},
		examples: []string{
			"undump lines >wtmp",
			"undump -to glibc-400-le lines >wtmp.arm64",
		},
		run: undump,
	}
}

// lineMost is the length of the longest line that undump reads.
const lineMost = 1 << 20

func undump(in call) error {
	u := undumping{in: in, name: "standard input"}
	if name := in.value("to"); name != "" {
		to, err := outputOf(name)
		if err != nil {
			return &usageError{fmt.Errorf("undump: -to: %w", err), undumpCommand().usage()}
		}
		u.to = &to
	}
	if onTerminal(in.stdout) {
		return errors.New("undump: it writes no text: redirect it to a file")
	}
	from := in.stdin
	if len(in.args) > 0 && in.args[0] != stdinName {
		f, err := os.Open(in.args[0])
		if err != nil {
			return fmt.Errorf("undump: %w", err)
		}
		defer f.Close()
		from, u.name = f, in.args[0]
	}
	u.out = in.outlet(fastWrite)
	defer u.out.close()
	err := u.lines(from)
	written := u.out.flush()
	if u.to != nil {
		if other := otherIDs(&u.convert, u.to.layout); other != "" {
			tell(in.stderr, "undump: "+other)
		}
	}
	switch {
	case err == nil && written == nil, gone(written):
		return nil
	case err == nil:
		return fmt.Errorf("undump: standard output: %w", written)
	}
	return fmt.Errorf("undump: %s: %w; %s", u.name, err, u.done())
}

// undumping is one run of `utmpctl undump`.
type undumping struct {
	in      call
	name    string        // of the file, for messages
	to      *output       // nil: the first record tells
	layout  *utmpx.Layout // that it told
	mixed   bool          // it was said that others are converted
	out     *outlet
	convert foreign.Converter
	records int
	b       []byte
}

// done says what became of the lines before one that is wrong.
func (u *undumping) done() string {
	if u.records == 0 {
		return "nothing was written"
	}
	return count(u.records, "record", "records") + " before it " + map[bool]string{true: "was", false: "were"}[u.records == 1] + " written, and nothing of what follows"
}

// lines writes the records of lines. It ends with the first error.
func (u *undumping) lines(from io.Reader) error {
	if u.to != nil {
		if err := u.out.add(u.to.header); err != nil {
			return nil // flush returns it
		}
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMost)
	n := 0
	for lines.Scan() {
		n++
		line := lines.Bytes()
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := u.line(n, line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if u.out.err != nil {
			return nil
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("it is longer than %d bytes, the most that a line may have", lineMost)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

// line writes the record of a line. The error is one of the line.
func (u *undumping) line(n int, line []byte) error {
	r, layout, err := undumpLine(line)
	if err != nil {
		return err
	}
	if u.to == nil {
		u.layout = cmp.Or(layout, utmpx.Native())
		to := outputIn(u.layout)
		u.to = &to
		_ = u.out.add(to.header) // flush returns the error
	}
	if layout != nil && u.layout != nil && layout != u.layout && !u.mixed {
		u.mixed = true
		tell(u.in.stderr, fmt.Sprintf("undump: %s: line %d: its layout is %s; it and others are written as %s, as those before it", u.name, n, layout, u.layout))
	}
	if u.b, err = u.to.from(&u.convert, u.b[:0], r, layout); err != nil {
		return err
	}
	u.records++
	_ = u.out.add(u.b)
	return nil
}

// undumpLine returns the record of a line, and the layout that it names.
func undumpLine(line []byte) (utmpx.Record, *utmpx.Layout, error) {
	if line[0] == '[' {
		r, err := utillinux.ParseText(string(line))
		return r, nil, err
	}
	return recordjson.Parse(line)
}
