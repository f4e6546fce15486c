// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package dropin

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// difference is one way in which our programs differ from the real ones on purpose.
type difference struct {
	name   string
	reason string
	// allows reports whether two results differ only in this way. It is nil if the tests
	// keep out of its way, as the comment behind the reason says.
	allows func(c call, want, got result) bool
}

// differences are all of them.
var differences = []difference{
	{
		name:   "utmpdump -r: a line that lacks a field",
		reason: "util-linux reads memory that it does not own: it crashes, or says the same, by chance",
		allows: func(c call, want, got result) bool {
			const says = "utmpdump: Extraneous newline in file. Exiting.\n"
			return filepath.Base(c.argv[0]) == "utmpdump" && want.Status == -1 && got.Status == 1 && strings.HasSuffix(got.Stderr, says)
		},
	},
	{
		name:   "utmpdump: a full disk",
		reason: "util-linux does not say why it cannot write, if it was not the last of several writes",
		allows: func(c call, want, got result) bool {
			return c.argv[0] == "utmpdump" && want.Status == got.Status && strings.Replace(got.Stderr, ": No space left on device", "", 1) == want.Stderr
		},
	},
	{
		name:   "-h and -V",
		reason: "the sentences of util-linux have a licence of their own, and this is not util-linux",
		// No test calls them.
	},
	{
		name:   "messages in other languages",
		reason: "ours are English; the names of programs and options are the same in all",
		// The roots have no translations.
	},
	{
		name:   "utmpdump -r: months and weekdays of other languages",
		reason: "the text form before 2.28, with names of the writer's language, reads as English alone",
		// TestUndump has no such locale.
	},
	{
		name:   "locales of eight bits a character, and locales that are not installed",
		reason: "a locale is UTF-8 or it is not, by its name: all other bytes are printed in octal, or as question marks",
		// They are not among locales.
	},
	{
		name:   "characters newer than the C library, or than Go",
		reason: "each has its version of Unicode; random bytes make a few",
		allows: func(c call, want, got result) bool {
			return want.Status == got.Status && want.Stderr == got.Stderr && fewRareRunes(want.Stdout, got.Stdout)
		},
	},
	{
		name:   "zones with leap seconds, and rules without dates after 2037",
		reason: "Go's zones have no leap seconds; the C library knows such a rule until the end of a file of the zone database",
		// They are not among zones.
	},
	{
		name:   "utmpdump -f: the end",
		reason: "when the file is renamed, util-linux fails or not, by chance; ours ends with status 0",
		// TestFollow compares what was printed until then.
	},
	{
		name:   "last: SIGINT and SIGQUIT",
		reason: "util-linux says how far it has come; ours ends as other programs do",
		// No test sends them.
	},
	{
		name:   "last on a terminal",
		reason: "bell, tab, newline and carriage return of names would reach it; ours prints question marks for them there",
		// TestTerminal of the package shows it.
	},
	{
		name:   "users whom only other sources than /etc/passwd know",
		reason: "of more than 256 of them in one run, the rest count as unknown",
		// The roots have no other sources.
	},
}

// octal is how last prints a byte that is no character.
var octal = regexp.MustCompile(`\\[0-3][0-7][0-7]`)

// fewRareRunes reports whether two outputs of last differ only in five characters at most
// that one of them has in octal, of those scripts to which Unicode still adds.
func fewRareRunes(a, b string) bool {
	inBytes := func(s string) string {
		return octal.ReplaceAllStringFunc(s, func(o string) string {
			v, _ := strconv.ParseUint(o[1:], 8, 8)
			return string([]byte{byte(v)})
		})
	}
	if inBytes(a) != inBytes(b) {
		return false
	}
	count := make(map[rune]int)
	for _, r := range a {
		count[r]++
	}
	for _, r := range b {
		count[r]--
	}
	differ := 0
	for r, n := range count {
		if n == 0 || r < utf8.RuneSelf {
			continue
		}
		if r < 0x0860 || r == utf8.RuneError {
			return false
		}
		differ += max(n, -n)
	}
	return 0 < differ && differ <= 5
}

// allowed reports whether one of the differences allows this one.
func allowed(c call, want, got result) bool {
	for _, d := range differences {
		if d.allows != nil && d.allows(c, want, got) {
			return true
		}
	}
	return false
}
