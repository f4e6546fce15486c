// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"utmpd.dev/utmpd/internal/logs"
)

// TestDamagedMiddle: a log with torn records, a block of NULs and a foreign record is read to
// its end, in both directions and whatever its compression; the damage is named.
func TestDamagedMiddle(t *testing.T) {
	const n = 3000
	b := raw(t, layout, numbered(n)...)
	// Of records 2001 and 1001 100 bytes are left, and 1500 to 1509 are NULs.
	b = slices.Delete(b, 2000*384+100, 2001*384)
	clear(b[1499*384 : 1509*384])
	b = slices.Delete(b, 1000*384+100, 1001*384)
	var want []int32
	for pid := int32(1001); pid <= 1000+n; pid++ {
		if pid != 2001 && pid != 3001 && (pid < 2500 || pid >= 2510) {
			want = append(want, pid)
		}
	}
	wantDamage := []string{"384000 384100 1", "575332 579172 10", "767716 767816 1"}
	for _, how := range []string{"plain", "gz", "xz", "zst"} {
		t.Run(how, func(t *testing.T) {
			both(t, func(t *testing.T, w world) {
				w.Write(t, "wtmp", compressed(t, how, b))
				f, err := openLog(w).Open(t.Context(), w.Path("wtmp"))
				check(t, err)
				defer f.Close()
				for _, reuse := range []bool{false, true} {
					for dir, walk := range map[string]func(func(logs.Entry, error) bool){"forward": f.Forward(0), "backward": f.Backward(-1)} {
						if reuse {
							f.Reuse()
						}
						got, damage := pidsAndDamage(t, walk)
						if dir == "backward" {
							slices.Reverse(got)
							slices.Reverse(damage)
						}
						if !slices.Equal(got, want) || !slices.Equal(damage, wantDamage) {
							t.Errorf("%s: %d records, want %d; damage %q, want %q", dir, len(got), len(want), damage, wantDamage)
						}
					}
				}
			})
		})
	}
}

func pidsAndDamage(t *testing.T, walk func(func(logs.Entry, error) bool)) (pids []int32, damage []string) {
	t.Helper()
	for e, err := range walk {
		var d *logs.DamageError
		if errors.As(err, &d) {
			damage = append(damage, fmt.Sprint(d.From, d.To, d.Records))
			continue
		}
		check(t, err)
		pids = append(pids, e.PID)
	}
	return pids, damage
}

// TestDamagedPositions: reading goes on from each record of a damaged log.
func TestDamagedPositions(t *testing.T) {
	w := kernelWorld{t.TempDir()}
	b := raw(t, layout, numbered(40)...)
	b = slices.Delete(b, 20*384+100, 21*384)
	w.Write(t, "wtmp", b)
	l := openLog(w)
	var at []logs.Position
	var pids []int32
	for e, err := range l.Forward(t.Context()) {
		if !logs.IsDamage(err) {
			check(t, err)
			at, pids = append(at, e.Position()), append(pids, e.PID)
		}
	}
	if len(at) != 39 {
		t.Fatalf("%d records, want 39", len(at))
	}
	for i, p := range at {
		got, _ := pidsAndDamage(t, l.From(t.Context(), p))
		if !slices.Equal(got, pids[i+1:]) {
			t.Errorf("from record %d on: %d records, want %d", i, len(got), len(pids)-i-1)
		}
	}
	end, err := l.End(t.Context())
	check(t, err)
	if end != at[len(at)-1] {
		t.Error("the log does not end behind its last record")
	}
}
