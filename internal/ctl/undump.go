// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"utmpd.dev/utmpd/internal/recordjson"
	"utmpd.dev/utmpd/internal/utillinux"
	"utmpd.dev/utmpd/utmpx"
)

func undumpCommand() command {
	return command{
		name:    "undump",
		summary: "make records of what dump has printed",
		about: `It reads lines of JSON, or of utmpdump(1), from FILE or standard input, and
writes records. A field of JSON that was edited changes that field alone.`,
		options: []option{
			{name: "to", arg: "LAYOUT", help: "write records of this layout, not of this machine's", among: outputNames()},
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
	to := output{record: utmpx.Native().AppendEncode}
	if name := in.value("to"); name != "" {
		var err error
		if to, err = outputOf(name); err != nil {
			return &usageError{fmt.Errorf("undump: -to: %w", err), undumpCommand().usage()}
		}
	}
	if onTerminal(in.stdout) {
		return errors.New("undump: it writes no text: redirect it to a file")
	}
	from, name := in.stdin, "standard input"
	if len(in.args) > 0 && in.args[0] != stdinName {
		f, err := os.Open(in.args[0])
		if err != nil {
			return fmt.Errorf("undump: %w", err)
		}
		defer f.Close()
		from, name = f, in.args[0]
	}
	out := in.outlet(fastWrite)
	defer out.close()
	err := undumpLines(from, to, out)
	if flushErr := out.flush(); err == nil {
		err, name = flushErr, "standard output"
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("undump: %s: %w", name, err)
	}
	return nil
}

// undumpLines writes the records of lines. It ends with the first error.
func undumpLines(from io.Reader, to output, out *outlet) error {
	if err := out.add(to.header); err != nil {
		return err
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, lineMost)
	n := 0
	var b []byte
	for lines.Scan() {
		n++
		line := lines.Bytes()
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r, err := undumpLine(line)
		if err == nil {
			b, err = to.record(b[:0], r)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if err := out.add(b); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

func undumpLine(line []byte) (utmpx.Record, error) {
	if line[0] == '[' {
		return utillinux.ParseText(string(line))
	}
	return recordjson.Parse(line)
}
