// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import "testing"

// TestDetectTie: glibc's and musl's records of 400 bytes read alike.
func TestDetectTie(t *testing.T) {
	tests := []struct {
		name   string
		file   *Layout
		native *Layout
		want   *Layout
	}{
		{"aarch64", Glibc400LE, Glibc400LE, Glibc400LE},
		{"s390x", Glibc400BE, Glibc400BE, Glibc400BE},
		{"a machine of musl's", Musl400LE, Musl400LE, Musl400LE},
		{"x86-64, whose glibc has 384", Glibc400LE, Glibc384LE, Musl400LE},
		{"powerpc, whose glibc has 384", Glibc400BE, Glibc384BE, Musl400BE},
		{"s390x's on x86-64", Glibc400BE, Glibc384LE, Glibc400BE},
		{"aarch64's on s390x", Glibc400LE, Glibc400BE, Glibc400LE},
		{"aarch64's on illumos", Glibc400LE, Illumos372LE, Glibc400LE},
		{"no tie", Glibc384LE, Musl400LE, Glibc384LE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.file.Encode(Record{Type: BootTime, Line: "~", User: "reboot", Time: Time{Sec: 1_780_000_000}})
			if err != nil {
				t.Fatal(err)
			}
			if g := detect(b, tt.native); g.Layout != tt.want || g.Confidence != Sure {
				t.Errorf("%+v, want %s", g, tt.want)
			}
		})
	}
}
