// SPDX-License-Identifier: BSD-2-Clause

package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/boots"
)

// A line is, with blanks between:
//
//	the checksum of the rest, CRC-32 of the Castagnoli polynomial, 8 digits
//	the boot's id, quoted
//	when it began, - if unknown
//	when it ended
//	how: shutdown or crash, ? if unknown
//	how much later it may have ended, ? if unknown
//	the source of the end, - if none
//	how long the kernel had counted, and how much of that it was suspended,
//	? if unknown

const unknown, none = "?", "-"

var words = map[boots.End]string{boots.ShutDown: "shutdown", boots.Crashed: "crash"}

var table = crc32.MakeTable(crc32.Castagnoli)

// appendLine appends the line of a boot.
func appendLine(b []byte, p boots.Past) []byte {
	from, within, by, slept := none, unknown, none, unknown
	if !p.From.IsZero() {
		from = p.From.UTC().Format(time.RFC3339Nano)
	}
	if p.Exact.Known {
		within = p.Exact.Within.String()
	}
	if p.By != "" {
		by = string(p.By)
	}
	if p.Slept >= 0 {
		slept = p.Slept.String()
	}
	how := unknown
	for e, word := range words {
		if e == p.End {
			how = word
		}
	}
	rest := fmt.Sprintf("%q %s %s %s %s %s %s %s", p.Boot, from, p.To.UTC().Format(time.RFC3339Nano), how, within, by, p.Up, slept)
	return fmt.Appendf(b, "%08x %s\n", crc32.Checksum([]byte(rest), table), rest)
}

// parse returns the boots of lines, each once, and how many lines are none.
func parse(text []byte) (ps []boots.Past, damaged int) {
	for line := range bytes.Lines(text) {
		p, err := parseLine(string(line))
		if err != nil {
			damaged++
			continue
		}
		if !slices.ContainsFunc(ps[max(0, len(ps)-8):], p.Same) {
			ps = append(ps, p)
		}
	}
	return ps, damaged
}

var errLine = errors.New("ledger: not a line of a ledger")

func parseLine(line string) (boots.Past, error) {
	var p boots.Past
	_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	id, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return p, errLine
	}
	f := strings.Fields(rest[len(id):])
	if len(f) != 7 {
		return p, errLine
	}
	p.Boot, _ = strconv.Unquote(id)
	var errs [5]error
	if f[0] != none {
		p.From, errs[0] = time.Parse(time.RFC3339Nano, f[0])
	}
	p.To, errs[1] = time.Parse(time.RFC3339Nano, f[1])
	for e, word := range words {
		if word == f[2] {
			p.End = e
		}
	}
	if f[3] != unknown {
		p.Exact.Known = true
		p.Exact.Within, errs[2] = time.ParseDuration(f[3])
	}
	if f[4] != none {
		p.By = boots.Source(f[4])
	}
	p.Up, errs[3] = time.ParseDuration(f[5])
	if p.Slept = -1; f[6] != unknown {
		p.Slept, errs[4] = time.ParseDuration(f[6])
	}
	// A line has one form, so this checks everything else, the checksum too.
	if errors.Join(errs[:]...) != nil || string(appendLine(nil, p)) != line {
		return boots.Past{}, errLine
	}
	return p, nil
}
