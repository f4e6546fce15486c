// SPDX-License-Identifier: BSD-2-Clause

package moments

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// A Saturday. The night before 25 October had an hour more.
	now := time.Date(2026, 11, 28, 14, 5, 6, 789, zone)
	for text, want := range map[string]string{
		"2026-07-01":           "2026-07-01T00:00:00+02:00",
		"2026-07-01 12:30":     "2026-07-01T12:30:00+02:00",
		"2026-07-01T12:30:15":  "2026-07-01T12:30:15+02:00",
		"2026-07-01T12:30:00Z": "2026-07-01T12:30:00Z",
		"20260701":             "2026-07-01T00:00:00+02:00",
		"24.11.2026":           "2026-11-24T00:00:00+01:00",
		"1.7.2026 08:00":       "2026-07-01T08:00:00+02:00",
		"03:00":                "2026-11-28T03:00:00+01:00",
		"23:00":                "2026-11-27T23:00:00+01:00",
		"3am":                  "2026-11-28T03:00:00+01:00",
		"noon":                 "2026-11-28T12:00:00+01:00",
		"midnight":             "2026-11-28T00:00:00+01:00",
		"today":                "2026-11-28T00:00:00+01:00",
		"yesterday":            "2026-11-27T00:00:00+01:00",
		"Yesterday 03:00":      "2026-11-27T03:00:00+01:00",
		"yesterday at 15:30":   "2026-11-27T15:30:00+01:00",
		"yesterday 14:05":      "2026-11-27T14:05:00+01:00",
		"tuesday":              "2026-11-24T00:00:00+01:00",
		"tue":                  "2026-11-24T00:00:00+01:00",
		"last tuesday":         "2026-11-24T00:00:00+01:00",
		"tuesday 14:00":        "2026-11-24T14:00:00+01:00",
		"saturday":             "2026-11-28T00:00:00+01:00",
		"now":                  "2026-11-28T14:05:06.000000789+01:00",
		"2 hours ago":          "2026-11-28T12:05:06.000000789+01:00",
		"30 minutes ago":       "2026-11-28T13:35:06.000000789+01:00",
		"2Days ago":            "2026-11-26T14:05:06.000000789+01:00",
		"three days ago":       "2026-11-25T14:05:06.000000789+01:00",
		"half an hour ago":     "2026-11-28T13:35:06.000000789+01:00",
		"400000 hours ago":     "1981-04-11T23:05:06.000000789+02:00",
		"11 months ago":        "2025-12-28T14:05:06.000000789+01:00",
		"24 months ago":        "2024-11-28T14:05:06.000000789+01:00",
		"30 months ago":        "2024-05-28T14:05:06.000000789+02:00",
		"3 years ago":          "2023-11-28T14:05:06.000000789+01:00",
		"90s":                  "2026-11-28T14:03:36.000000789+01:00",
		"-2h":                  "2026-11-28T12:05:06.000000789+01:00",
		"7d":                   "2026-11-21T14:05:06.000000789+01:00",
		"nov 3":                "2026-11-03T00:00:00+01:00",
		"last night":           "2026-11-27T23:00:00+01:00",
		"yesterday 03:02":      "2026-11-27T03:02:00+01:00",
		"this week":            "2026-11-23T00:00:00+01:00",
		"last week":            "2026-11-16T00:00:00+01:00",
		"This month":           "2026-11-01T00:00:00+01:00",
		"last month":           "2026-10-01T00:00:00+02:00",
		"this year":            "2026-01-01T00:00:00+01:00",
		"last year":            "2025-01-01T00:00:00+01:00",
		"november":             "2026-11-01T00:00:00+01:00",
		"dec":                  "2025-12-01T00:00:00+01:00",
		"May 2024":             "2024-05-01T00:00:00+02:00",
	} {
		got, err := Parse(text, now)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if s := got.Format(time.RFC3339Nano); s != want {
			t.Errorf("%q is %s, want %s", text, s, want)
		}
	}
	for _, text := range []string{"nonsense", "2 hours agoo", "yesterday foo", "24.13.2026", "25:00", "1", "d", "9999999d", "\x1b[2J",
		"in 5 minutes", "within 2 hours", "in a week", "2 hours ago yesterday", "2 hours ago 03:00",
		"9999999 hours ago", "99999999999 hours ago", "99999999999999999999 days ago", "700 months ago", "5000 years ago", "9000000000000000 minutes ago"} {
		if got, err := Parse(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		} else if strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: the error holds a control character", text)
		}
	}
	if got, err := Parse("", now); err != nil || !got.IsZero() {
		t.Errorf(`"" is %v, %v`, got, err)
	}
}
