// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/sysfile"
)

// lastlog checks a lastlog file. It has a record for each user ID, and holes between.
func (c *checking) lastlog(to string, found func(check.Finding)) error {
	f, err := os.Open(to)
	if err != nil {
		return sysfile.Wrap("check", to, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return sysfile.Wrap("check", to, err)
	}
	if !info.Mode().IsRegular() {
		return sysfile.Wrap("check", to, sysfile.ErrNotRegular)
	}
	samples, err := lastlogSamples(f, info.Size())
	if err != nil {
		return sysfile.Wrap("read", to, err)
	}
	l := check.NewLastlog(samples, info.Size(), info.ModTime(), found)
	at, size := samples[0].At, int64(l.Size())
	if torn := info.Size() % size; torn != 0 {
		f := check.Partial(info.Size()-torn, info.Size(), time.Time{})
		f.Advice = fmt.Sprintf("`truncate -s %d` cuts it off", info.Size()-torn)
		found(f)
	}
	c.p = c.in.progress("check "+to, info.Size())
	defer c.p.end()
	record := make([]byte, size*1024)
	for at < info.Size() && c.in.ctx.Err() == nil {
		at = dataAfter(f, at) / size * size
		n, err := f.ReadAt(record, at)
		if err != nil && err != io.EOF {
			return sysfile.Wrap("read", to, err)
		}
		if int64(n) < size {
			break
		}
		for i := int64(0); i+size <= int64(n); i += size {
			l.Record((at+i)/size, record[i:i+size])
		}
		at += int64(n) / size * size
		c.p.at(at)
	}
	return context.Cause(c.in.ctx)
}

// seekData is SEEK_DATA, on Linux, illumos and Solaris.
const seekData = 3

// dataAfter returns where a file has data next: lastlog is mostly holes. At its end, and
// where the file system does not tell, it returns the offset.
func dataAfter(f *os.File, from int64) int64 {
	at, err := f.Seek(from, seekData)
	if errors.Is(err, errNoData) {
		at, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return from
	}
	return max(from, at)
}
