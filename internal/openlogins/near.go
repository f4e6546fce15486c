// SPDX-License-Identifier: BSD-2-Clause

package openlogins

import (
	"context"

	"utmpd.dev/utmpd/internal/boots"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// maxNear is how many of the last records AppendOn looks at before it reads all since the
// boot. They are 25 MB.
const maxNear = 1 << 16

// AppendOn appends the records that choose returns for the login that is open on a line, or
// for none. Like [Log.Append] it calls choose under the log's lock. It reads no more of the
// log than shows whether the line has a login: somebody waits for it.
func (l *Log) AppendOn(ctx context.Context, name string, choose func(at Login, open bool) []utmpx.Record) error {
	if known, err := l.appendNear(ctx, name, choose); known || err != nil {
		return err
	}
	return l.Append(ctx, func(all *Logins) []utmpx.Record { return choose(all.On(name)) })
}

// appendNear is AppendOn, if the last records show it.
func (l *Log) appendNear(ctx context.Context, name string, choose func(at Login, open bool) []utmpx.Record) (known bool, err error) {
	reading := context.WithoutCancel(ctx)
	f, err := l.files.Open(reading, l.file.Name())
	if err != nil {
		return false, err
	}
	defer f.Close()
	last, known, err := lastOn(f, name, 0, l.near)
	if err != nil || !known {
		return false, err
	}
	known = false
	err = l.file.Locked(ctx, func(locked *recfile.LockedLog) error {
		now, err := l.files.Wrap(reading, l.file.Name(), locked.Handle())
		if err != nil {
			return err
		}
		defer now.Close()
		if now.Generation() != f.Generation() || now.End() < f.End() {
			return nil // rotated meanwhile
		}
		since, ok, err := lastOn(now, name, f.End(), l.near)
		if err != nil {
			return err
		}
		if ok {
			last = since
		}
		known = true
		if recs := choose(last.Login, last.open); len(recs) > 0 {
			return locked.Append(recs...)
		}
		return nil
	})
	return known, err
}

// lastOn returns what the last records of a file, from an offset on, show of a line. Like
// [Logins] it goes by the order of the records. It reports false if they show nothing.
func lastOn(f *logs.File, name string, from int64, most int) (at line, known bool, err error) {
	if f.Compressed() || f.End() <= from || name == "" {
		return line{}, false, nil
	}
	for e, err := range f.Backward(f.End()) {
		switch {
		case logs.IsDamage(err):
			continue
		case err != nil:
			return line{}, false, err
		case e.Offset < from || most == 0:
			return line{}, false, nil
		case boots.KindOf(e.Record).EndsLogins():
			return line{}, true, nil
		case e.Line != name:
		case e.Type == utmpx.UserProcess && e.User != "", isProcess(e.Type) && e.User == "", e.Type == utmpx.DeadProcess:
			at.add(e.Record, 1)
			return at, true, nil
		}
		most--
	}
	return line{}, false, nil
}
