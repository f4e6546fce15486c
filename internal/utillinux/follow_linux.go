// SPDX-License-Identifier: BSD-2-Clause

package utillinux

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"utmpd.dev/utmpd/internal/notify"
	"utmpd.dev/utmpd/utmpx"
)

// goOn prints what is appended to the file behind at, until another file has its name, or
// none, or w fails. If the file becomes shorter, it goes on at its new end.
func (d *dump) goOn(file *os.File, at int64, w *bufio.Writer) error {
	size := int64(utmpx.Native().Size())
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	err := notify.NewAppends(file.Name()).Run(ctx, func() {
		info, err := file.Stat()
		if err != nil {
			stop()
			return
		}
		if info.Size() < at {
			at = info.Size() / size * size
		}
		n, err := d.print(io.NewSectionReader(file, at, info.Size()-at), w)
		at += n
		if err != nil || w.Flush() != nil {
			stop()
		}
		if now, err := os.Stat(file.Name()); err != nil || !os.SameFile(now, info) {
			stop()
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("cannot follow %s: %s", file.Name(), reason(err))
}
