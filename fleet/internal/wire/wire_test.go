// SPDX-License-Identifier: BSD-2-Clause

package wire_test

import (
	"regexp"
	"testing"

	"utmpd.dev/utmpd/fleet/internal/wire"
)

func TestToken(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"web1.example.org", "web1=2Eexample=2Eorg"},
		{"", "="},
		{"a=b", "a=3Db"},
		{"*.>", "=2A=2E=3E"},
		{"\xff\x00 é", "=FF=00=20=C3=A9"},
	} {
		if got := wire.Token(c.name); got != c.want {
			t.Errorf("%q: %q, want %q", c.name, got, c.want)
		}
	}
	for _, bad := range []string{"a.b", "a=2", "a=", "=2e", "=41", "*", "a=+1", "a= 1"} {
		if name, err := wire.Name(bad); err == nil {
			t.Errorf("%q is the name %q", bad, name)
		}
	}
}

// FuzzToken: every name has one token, which fits a subject, and comes back.
func FuzzToken(f *testing.F) {
	f.Add("web1.example.org")
	f.Add("")
	f.Add("=\xff")
	fits := regexp.MustCompile(`^[A-Za-z0-9_=-]+$`)
	f.Fuzz(func(t *testing.T, name string) {
		token := wire.Token(name)
		back, err := wire.Name(token)
		if err != nil || back != name || !fits.MatchString(token) {
			t.Errorf("%q: %q, %q, %v", name, token, back, err)
		}
	})
}

// TestDigits: users are spread over the digits, so that one is found in a sixteenth.
func TestDigits(t *testing.T) {
	n := map[string]int{}
	for i := range 1600 {
		n[wire.Digit("user"+string(rune('a'+i%26))+string(rune('a'+i/26)))]++
	}
	for d, k := range n {
		if k > 200 {
			t.Errorf("digit %s: %d of 1600", d, k)
		}
	}
	if len(n) != wire.Pieces {
		t.Errorf("%d digits", len(n))
	}
}
