// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package utillinux

import (
	"bufio"
	"errors"
	"os"
)

func (d *dump) goOn(*os.File, int64, *bufio.Writer) error {
	return errors.New("following a file needs Linux")
}
