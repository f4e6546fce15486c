// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCatalog checks that the catalog of messages explains each event that has a MESSAGE_ID,
// and no other.
func TestCatalog(t *testing.T) {
	b, err := os.ReadFile("../../init/systemd/utmpd.catalog")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^-- ([0-9a-f]{32})$`).FindAllStringSubmatch(string(b), -1) {
		got = append(got, m[1])
	}
	want := slices.Sorted(maps.Values(messageIDs))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-the events +the catalog\n%s", diff)
	}
}

func TestMessageID(t *testing.T) {
	for message, same := range map[string]string{
		"the clock was stepped, and that could not be recorded":                                       "the clock was stepped",
		"utmpd ends while a file system does not answer: until it does, the kernel keeps the process": "utmpd ended",
		"pending logouts are not needed: the logins are not open":                                     "pending logouts are written to the wtmpx file",
		"session would be ended (-n)":                                                                 "session would be ended",
		"the file system does not answer: no record is marked until then":                             "the file system does not answer",
		"the wtmpx file is damaged; what is around the damage is read":                                "the wtmpx file is damaged",
	} {
		if got := messageID(message); got == "" || got != messageIDs[same] {
			t.Errorf("%q: %q", message, got)
		}
	}
	if got := messageID("anything else"); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
