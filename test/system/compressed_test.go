// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/ulikunitz/xz"
)

// zerosInXZ returns a file in the format of xz that holds n times 2 MB of zeros, and whose
// header asks for a dictionary of 1.5 GiB.
func zerosInXZ(t *testing.T, n int) []byte {
	t.Helper()
	var one bytes.Buffer
	w, err := xz.NewWriter(&one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const chunk, head = 24, 6 // where the first chunk begins, and the size of its header
	b := one.Bytes()
	b[12+4] = 37
	binary.LittleEndian.PutUint32(b[12+8:], crc32.ChecksumIEEE(b[12:12+8]))
	c := b[chunk:][:head+int(binary.BigEndian.Uint16(b[chunk+3:]))+1]
	if c[0] != 0xff {
		t.Fatalf("the chunk begins with %#x", c[0])
	}
	file := bytes.Clone(b[:chunk+len(c)])
	c[0] = 0xdf // new state, the same dictionary
	return append(append(file, bytes.Repeat(c, n-1)...), 0)
}

// TestDictionary has utmpctl read a small file that asks it to take gigabytes of memory.
func TestDictionary(t *testing.T) {
	if !enterAlone(t, bookworm) {
		return
	}
	const name = "/tmp/wtmp.xz"
	if err := os.WriteFile(name, zerosInXZ(t, 768), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(utmpctlBinary, "downtime", "-f", name)
	out, err := cmd.CombinedOutput()
	used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	t.Logf("%d bytes took %d MB and %v of processor: %v\n%s", fileSize(t, name), used, cmd.ProcessState.UserTime(), err, ends(string(out)))
	if used > 200 {
		t.Errorf("utmpctl took %d MB", used)
	}
	if err == nil || !strings.Contains(string(out), name) || !strings.Contains(string(out), "needs a dictionary of 1536 MB") {
		t.Error("utmpctl names neither the file nor what is wrong with it")
	}
}
