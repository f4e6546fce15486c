// SPDX-License-Identifier: BSD-2-Clause

package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRead(t *testing.T) {
	write := func(b []byte) func(string) error {
		return func(path string) error { return os.WriteFile(path, b, 0o600) }
	}
	most := bytes.Repeat([]byte{'x'}, MaxRead)
	for _, tt := range []struct {
		name string
		make func(path string) error
		want []byte
		err  error
	}{
		{"a small file", write([]byte("abc")), []byte("abc"), nil},
		{"an empty file", write(nil), []byte{}, nil},
		{"the largest", write(most), most, nil},
		{"one byte more", write(append(most, 'x')), nil, ErrUnfit},
		{"a terabyte of nothing", func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
		}, nil, ErrUnfit},
		{"none", func(string) error { return nil }, nil, fs.ErrNotExist},
		{"a link", func(path string) error {
			return errors.Join(os.WriteFile(path+".to", []byte("abc"), 0o600), os.Symlink(path+".to", path))
		}, nil, ErrUnfit},
		{"a named pipe that nobody writes", func(path string) error { return unix.Mkfifo(path, 0o600) }, nil, ErrUnfit},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, nil, ErrUnfit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if !bytes.Equal(got, tt.want) || !errors.Is(err, tt.err) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}
