// SPDX-License-Identifier: BSD-2-Clause

package sessions

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/utmpx"
)

// TestCheckpoint: a Forward that is saved and resumed before each record finds the same
// sessions, and the same open ones.
func TestCheckpoint(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var all []*utmpx.Record
		for range 80 {
			all = append(all, fuzzed(rng.Uint32()))
		}
		var want, got []string
		for _, s := range forward(all) {
			want = append(want, short(s))
		}
		f := NewForward()
		for _, r := range all {
			f = resumed(t, f)
			if r == nil {
				f.Damage()
				continue
			}
			for _, s := range f.Add(r) {
				got = append(got, short(s))
			}
		}
		for _, s := range resumed(t, f).Open() {
			got = append(got, short(s))
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("seed %d (-want +got)\n%s", seed, d)
		}
	}
}

// resumed returns a Forward that goes on where f is, by way of JSON.
func resumed(t *testing.T, f *Forward) *Forward {
	t.Helper()
	b, err := json.Marshal(f.Checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	var c Checkpoint
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if f, err = Resume(c); err != nil {
		t.Fatal(err)
	}
	return f
}
