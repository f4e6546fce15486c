// SPDX-License-Identifier: BSD-2-Clause

package config

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// key is one setting: how its value is read, written and copied.
type key struct {
	name string
	set  func(*Config, string) error // changes nothing when it fails
	get  func(*Config) string
}

var keys = []key{
	seconds("SCAN_PERIOD", func(c *Config) *time.Duration { return &c.ScanPeriod }),
	{"MAX_FDS", func(c *Config, v string) error {
		n, err := whole(v, MaxMaxFDs)
		if err == nil {
			c.MaxFDs = int(n)
		}
		return err
	}, func(c *Config) string { return strconv.Itoa(c.MaxFDs) }},
	seconds("WTMPX_UPDATE_FREQ", func(c *Config) *time.Duration { return &c.WtmpxUpdateFreq }),
	{"GRACE_PERIOD", func(c *Config, v string) error {
		d, err := fraction(v, MaxGrace)
		if err == nil {
			c.GracePeriod = d
		}
		return err
	}, func(c *Config) string { return formatSeconds(c.GracePeriod) }},
	flag("KEEP_BUSY_LINES", func(c *Config) *bool { return &c.KeepBusyLines }),
	text("UTMPX_FILE", absolute, func(c *Config) *string { return &c.UtmpxFile }),
	text("WTMPX_FILE", absolute, func(c *Config) *string { return &c.WtmpxFile }),
	text("PIPE_FILE", absolute, func(c *Config) *string { return &c.PipeFile }),
	text("RUN_DIR", absolute, func(c *Config) *string { return &c.RunDir }),
	text("STATE_DIR", absolute, func(c *Config) *string { return &c.StateDir }),
	records("BOOT_RECORDS", func(c *Config) *BootRecords { return &c.BootRecords }),
	records("RUNLEVEL_RECORDS", func(c *Config) *BootRecords { return &c.RunLevelRecords }),
	text("RUN_AS", user, func(c *Config) *string { return &c.RunAs }),
	{"LOGIND", func(c *Config, v string) error {
		if strings.EqualFold(v, string(LogindAuto)) {
			c.Logind = LogindAuto
			return nil
		}
		on, err := yesno(v)
		if err != nil {
			return fmt.Errorf("is none of auto, yes, no")
		}
		c.Logind = map[bool]Logind{true: LogindYes, false: LogindNo}[on]
		return nil
	}, func(c *Config) string { return string(c.Logind) }},
	flag("LOGIND_HOSTS", func(c *Config) *bool { return &c.LogindHosts }),
}

// flag is a key that is yes or no.
func flag(name string, field func(*Config) *bool) key {
	return key{name, func(c *Config, v string) error {
		on, err := yesno(v)
		if err == nil {
			*field(c) = on
		}
		return err
	}, func(c *Config) string { return yesOrNo(*field(c)) }}
}

// records is a key that says who writes some records.
func records(name string, field func(*Config) *BootRecords) key {
	return key{name, func(c *Config, v string) error {
		if strings.EqualFold(v, string(Auto)) {
			*field(c) = Auto
			return nil
		}
		on, err := yesno(v)
		if err != nil {
			return fmt.Errorf("is none of auto, yes, no")
		}
		*field(c) = map[bool]BootRecords{true: Ours, false: Systems}[on]
		return nil
	}, func(c *Config) string { return string(*field(c)) }}
}

func lookup(name string) (key, bool) {
	for _, k := range keys {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

// nearest returns the key that was probably meant by a name: at most two letters are
// wrong, missing, too many or swapped. It returns "" if there is none.
func nearest(name string) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return Nearest(strings.ToUpper(name), names)
}

// Nearest returns the one of those names that a word was probably meant to be, "" if
// none is near. It allows for two slips of the fingers, and for one in a word of two or three
// letters.
func Nearest(word string, names []string) string {
	best, most := "", min(3, len(word)-1)
	if len(word) == 2 {
		most = 2
	}
	for _, name := range names {
		if n := edits(word, name); n < most {
			best, most = name, n
		}
	}
	return best
}

// edits counts the letters to change, add, leave out or swap with the next one to make b
// of a.
func edits(a, b string) int {
	if len(a) > 2*len(b) {
		return len(a)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(last[j]+same, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// seconds is a key whose value is a whole number of seconds up to MaxPeriod.
func seconds(name string, field func(*Config) *time.Duration) key {
	return key{name, func(c *Config, v string) error {
		n, err := whole(v, int64(MaxPeriod/time.Second))
		if err == nil {
			*field(c) = time.Duration(n) * time.Second
		}
		return err
	}, func(c *Config) string { return strconv.FormatInt(int64(*field(c)/time.Second), 10) }}
}

// text is a key whose value is a string that check accepts. The empty string
// means the default.
func text(name string, check func(string) (string, error), field func(*Config) *string) key {
	return key{name, func(c *Config, v string) error {
		if v != "" {
			var err error
			if v, err = check(v); err != nil {
				return err
			}
		}
		*field(c) = v
		return nil
	}, func(c *Config) string { return *field(c) }}
}

// whole reads a number from 1 to limit, decimal digits only.
func whole(v string, limit int64) (int64, error) {
	if !digits(v) && !(len(v) > 1 && v[0] == '-' && digits(v[1:])) {
		return 0, fmt.Errorf("is not a whole number")
	}
	n, err := strconv.ParseInt(v, 10, 64) // fails only beyond the range
	if err != nil || n < 1 || n > limit {
		return 0, fmt.Errorf("is not from 1 to %d", limit)
	}
	return n, nil
}

// fraction reads a number of seconds like 2, 0.25 or .5, to the nanosecond.
func fraction(v string, limit time.Duration) (time.Duration, error) {
	bad := fmt.Errorf("is not from 0 to %d seconds", limit/time.Second)
	w, f, point := strings.Cut(v, ".")
	switch {
	case strings.HasPrefix(v, "-") && len(v) > 1 && strings.Trim(v[1:], "0123456789.") == "":
		return 0, bad
	case w == "" && f == "", w != "" && !digits(w), point && f != "" && !digits(f):
		return 0, fmt.Errorf("is not a number of seconds")
	}
	var n int64
	if w != "" {
		var err error
		if n, err = strconv.ParseInt(w, 10, 64); err != nil || n > int64(limit/time.Second) {
			return 0, bad
		}
	}
	ns, _ := strconv.ParseInt((f + "000000000")[:9], 10, 64)
	d := time.Duration(n)*time.Second + time.Duration(ns)
	if d > limit {
		return 0, bad
	}
	return d, nil
}

func formatSeconds(d time.Duration) string {
	s := fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func yesno(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "yes", "true", "1":
		return true, nil
	case "no", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("is neither yes nor no")
}

func yesOrNo(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

// absolute accepts an absolute path of a length that the system allows, and
// cleans it.
func absolute(v string) (string, error) {
	switch {
	case v[0] != '/':
		return "", fmt.Errorf("is not an absolute path")
	case len(v) > 4095:
		return "", fmt.Errorf("is longer than a path can be")
	case hasControl(v):
		return "", fmt.Errorf("has a control character")
	}
	return path.Clean(v), nil
}

// user accepts the names that useradd(8) does, and the @ of directory services.
func user(v string) (string, error) {
	ok := len(v) <= 255 && v[0] != '-'
	for i := range len(v) {
		ok = ok && (letter(v[i]) || digit(v[i]) || strings.IndexByte(".-@$", v[i]) >= 0)
	}
	if !ok {
		return "", fmt.Errorf("is not a user name")
	}
	return v, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s != ""
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
