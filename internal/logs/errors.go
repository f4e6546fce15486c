// SPDX-License-Identifier: BSD-2-Clause

package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrCompression is the error of a file in a compression that is not supported:
// that of compress(1), .Z.
var ErrCompression = errors.New("compressed in an unsupported format")

// wrap adds what was tried on which file, once: it takes a path error from below
// apart.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	var se *os.SyscallError
	if errors.As(err, &se) {
		err = se.Err
	}
	return fmt.Errorf("utmpfile: %s %s: %w", op, name, err)
}
