// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"

	"utmpd.dev/utmpd/internal/logind"
	"utmpd.dev/utmpd/internal/openlogins"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// The recorder works on the two files by itself. So that a file system that does not answer
// it is named, each of its calls is a work of its own: the longest wait for a lock is less
// than slow.

// pacedFile is the utmpx file of the recorder.
type pacedFile struct {
	logind.RecordFile
	pace *pace
}

func (f pacedFile) begin() (done func()) {
	return f.pace.begin("recording a session of logind in utmpx", slow)
}

func (f pacedFile) PutUnless(ctx context.Context, r, over utmpx.Record, taken func(at utmpx.Record) bool) (slot int, err error) {
	defer f.begin()()
	return f.RecordFile.PutUnless(ctx, r, over, taken)
}

func (f pacedFile) Swap(ctx context.Context, gen snapshot.Generation, swaps []recfile.Swap) ([]bool, error) {
	defer f.begin()()
	return f.RecordFile.Swap(ctx, gen, swaps)
}

// pacedLog is the wtmpx file of the recorder.
type pacedLog struct {
	logind.LoginLog
	pace *pace
}

func (l pacedLog) begin() (done func()) {
	return l.pace.begin("recording a session of logind in wtmpx", slow)
}

func (l pacedLog) Append(ctx context.Context, choose func(*openlogins.Logins) []utmpx.Record) error {
	defer l.begin()()
	return l.LoginLog.Append(ctx, choose)
}

func (l pacedLog) Read(ctx context.Context) (*openlogins.Logins, error) {
	defer l.begin()()
	return l.LoginLog.Read(ctx)
}
