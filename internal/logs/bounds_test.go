// SPDX-License-Identifier: BSD-2-Clause

package logs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/utmpx"
)

// withDictionary returns a file in the format of xz whose blocks say that they need a
// dictionary of another size.
func withDictionary(t *testing.T, b []byte, code byte) []byte {
	t.Helper()
	b = slices.Clone(b)
	found := false
	for at := 12; at+12 <= len(b); at++ {
		if b[at] != 2 || b[at+1] != 0 || b[at+2] != 0x21 || crc32.ChecksumIEEE(b[at:at+8]) != binary.LittleEndian.Uint32(b[at+8:]) {
			continue
		}
		b[at+4] = code
		binary.LittleEndian.PutUint32(b[at+8:], crc32.ChecksumIEEE(b[at:at+8]))
		found = true
	}
	if !found {
		t.Fatal("no header of a block found")
	}
	return b
}

const (
	mostDictionary   = 40 // 4 GiB
	largeDictionary  = 37 // 1.5 GiB
	dictionaryOfNine = 28 // 64 MiB, as xz -9 writes into every file
)

// inBlocks compresses b by xz in blocks of one record each.
func inBlocks(t *testing.T, b []byte, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 16, BlockSize: int64(size)}.NewWriter(&out)
	check(t, err)
	_, err = w.Write(b)
	check(t, err)
	check(t, w.Close())
	return out.Bytes()
}

// bogusBlock is a block of chunks that say that they hold n times 2 MB.
func bogusBlock(n int) []byte {
	b := append([]byte("\xfd7zXZ\x00\x00\x01"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[6:8]))
	head := []byte{2, 0, 0x21, 1, largeDictionary, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(append(b, head...), crc32.ChecksumIEEE(head))
	for range n {
		b = append(b, 0xff, 0xff, 0xff, 0, 0, 0x5d, 0)
	}
	return append(b, 0)
}

// zstdFrame is a frame in the format of zstd with a window of 2 to the power of log bytes,
// and blocks that each repeat one byte 128 KiB times.
func zstdFrame(log byte, blocks int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3}
	for i := range blocks {
		head := uint32(128<<10)<<3 | 1<<1
		if i == blocks-1 {
			head |= 1
		}
		b = append(b, byte(head), byte(head>>8), byte(head>>16), 0)
	}
	return b
}

// TestMemory reads compressed files that tell their decompressor to take much memory. What
// need not be taken is not taken; else the error names the file and says what to do.
func TestMemory(t *testing.T) {
	records := raw(t, utmpx.Native(), numbered(1000)...)
	whole := compressed(t, "xz", records)
	for _, tt := range []struct {
		name string
		file []byte
		want int    // records
		err  string // "" for none
		most uint64 // bytes that are allocated in all
	}{
		{"a dictionary of 1.5 GiB, small content", withDictionary(t, whole, largeDictionary), 1000, "", 64 << 20},
		{"of 4 GiB", withDictionary(t, whole, mostDictionary), 1000, "", 64 << 20},
		{"of two streams", slices.Concat(withDictionary(t, whole, dictionaryOfNine), []byte{0, 0, 0, 0}, withDictionary(t, whole, largeDictionary)), 2000, "", 64 << 20},
		{"of each of 1000 blocks", withDictionary(t, inBlocks(t, records, utmpx.Native().Size()), largeDictionary), 1000, "", 256 << 20},
		{"content that needs it", bogusBlock(1000), 0, "xz: it needs a dictionary of 1536 MB, more than 64 MB: decompress it by xz -d", 16 << 20},
		{"a window of 128 MiB", slices.Concat(compressed(t, "zst", records), zstdFrame(27, 1)), 1000, "", 512 << 20},
		{"of 2 GiB", zstdFrame(31, 1), 0, "zstd: it needs a window of more than 128 MB: decompress it by zstd -d --long=31", 16 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := kernelWorld{t.TempDir()}
			w.Write(t, "wtmp.1", tt.file)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			n, err := count(t, w)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > tt.most {
				t.Errorf("allocated %d MB, want at most %d MB", took>>20, tt.most>>20)
			}
			mustSay(t, err, w.Path("wtmp.1"), tt.err)
			if n != tt.want {
				t.Errorf("%d records, want %d", n, tt.want)
			}
		})
	}
}

// count counts the records of wtmp.1, and returns the last error but damage.
func count(t *testing.T, w world) (n int, last error) {
	t.Helper()
	log := logs.New(w.Path("wtmp"), logs.Options{System: w.System()})
	f, err := log.Open(context.Background(), w.Path("wtmp.1"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, err := range f.Reuse().Forward(0) {
		switch {
		case err == nil:
			n++
		case !logs.IsDamage(err):
			last = err
		}
	}
	return n, last
}

func mustSay(t *testing.T, err error, name, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("error %v, want none", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
		t.Errorf("error %v, want one of %s that says %q", err, name, want)
	}
}

// TestBomb reads files that hold far more than any log of their size.
func TestBomb(t *testing.T) {
	record := raw(t, utmpx.Native(), login("pts/0", 1))
	many := func(w io.WriteCloser, err error) {
		check(t, err)
		b := bytes.Repeat(record, 4096)
		for range 100 << 20 / len(b) {
			_, err := w.Write(b)
			check(t, err)
		}
		check(t, w.Close())
	}
	var asZstd, asGzip bytes.Buffer
	many(zstd.NewWriter(&asZstd))
	many(gzip.NewWriter(&asGzip), nil)
	for _, tt := range []struct {
		name string
		file []byte
		err  string
	}{
		{"zstd", asZstd.Bytes(), "it holds more than 1000 times its size"},
		{"gzip, which cannot hold so much", asGzip.Bytes(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := kernelWorld{t.TempDir()}
			w.Write(t, "wtmp.1", tt.file)
			n, err := count(t, w)
			mustSay(t, err, w.Path("wtmp.1"), tt.err)
			allowed := max(64<<20, 1000*len(tt.file))
			if size := n * len(record); size < 64<<20-len(record) || tt.err != "" && size > allowed {
				t.Errorf("%d MB were read, allowed are %d MB", size>>20, allowed>>20)
			}
		})
	}
}

// TestAsXZ reads what the program xz writes in each of its ways.
func TestAsXZ(t *testing.T) {
	records := raw(t, utmpx.Native(), numbered(3000)...)
	for _, args := range [][]string{
		{"-0"}, {"-9"}, {"-T2", "--block-size=65536"}, {"--check=none"}, {"--check=crc32"}, {"--check=sha256"},
		{"--block-list=384,1000,0"}, {"--lzma2=dict=1536MiB"},
	} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			cmd := exec.Command("xz", append(args, "-c")...)
			cmd.Stdin, cmd.Stderr = bytes.NewReader(records), os.Stderr
			file, err := cmd.Output()
			if err != nil {
				t.Skipf("no xz to make a file with: %v", err)
			}
			w := kernelWorld{t.TempDir()}
			w.Write(t, "wtmp.1", slices.Concat(file, []byte{0, 0, 0, 0}, file))
			if n, err := count(t, w); n != 6000 || err != nil {
				t.Errorf("%d records, error %v", n, err)
			}
			w.Write(t, "wtmp.1", file[:len(file)-13])
			if _, err := count(t, w); err == nil {
				t.Error("a file that was cut was read without an error")
			}
		})
	}
}
