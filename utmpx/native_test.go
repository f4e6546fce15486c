// SPDX-License-Identifier: BSD-2-Clause

package utmpx

import (
	"strings"
	"testing"
)

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
			if l, c := detect(b, tt.native); l != tt.want || c != Sure {
				t.Errorf("%v, %v, want %s", l, c, tt.want)
			}
		})
	}
}

func TestNativeOf(t *testing.T) {
	tests := []struct{ name, want string }{
		{"linux/amd64", "glibc-384-le"}, {"linux/386", "glibc-384-le"}, {"linux/arm", "glibc-384-le"},
		{"linux/riscv64", "glibc-384-le"}, {"linux/ppc64le", "glibc-384-le"}, {"linux/mips", "glibc-384-be"},
		{"linux/ppc64", "glibc-384-be"}, {"linux/arm64", "glibc-400-le"}, {"linux/loong64", "glibc-400-le"},
		{"linux/s390x", "glibc-400-be"}, {"illumos/amd64", "illumos-372-le"}, {"solaris/amd64", "illumos-372-le"},
		{"solaris/sparc64", "illumos-372-be"}, {"plan9/none", "glibc-384-le"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			goos, goarch, _ := strings.Cut(tt.name, "/")
			if got := nativeOf(goos, goarch).Name(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
