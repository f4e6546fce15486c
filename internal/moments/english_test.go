// SPDX-License-Identifier: BSD-2-Clause

package moments

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/olebedev/when"
	"github.com/olebedev/when/rules/en"
)

// TestEntirely compares with the parser of package when, in random texts of the words that it
// knows: the same are times, and the same times.
func TestEntirely(t *testing.T) {
	parser := when.New(nil)
	parser.Add(en.All...)
	words := append([]string{"next", "in", "the", "of", "a", "half", "3", "03:00", "12:30", "5pm", "5:15am", "14th", "first", "past", "few", "x", ",", "tonight"}, Words...)
	const seed = 20261130
	random := rand.New(rand.NewPCG(seed, 1))
	now := time.Date(2026, 11, 30, 6, 17, 8, 9, time.UTC)
	times := 0
	for range 20_000 {
		var said []string
		for range 1 + random.IntN(4) {
			said = append(said, words[random.IntN(len(words))])
		}
		s := strings.Join(said, " ")
		got, ok := entirely(s, now)
		r, err := parser.Parse(s, now)
		want := "none"
		if err == nil && r != nil && len(r.Text) == len(s) {
			want = r.Time.String()
			times++
		}
		if !ok && want != "none" || ok && got.String() != want {
			t.Fatalf("%q: %v %v, want %s", s, got, ok, want)
		}
	}
	if times < 1000 {
		t.Errorf("only %d of the texts are times", times)
	}
}
