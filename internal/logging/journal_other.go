// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package logging

import (
	"errors"
	"io"
)

// JournalSocket is empty: there is no journal.
const JournalSocket = ""

func dialJournal(string) (io.WriteCloser, error) { return nil, errors.ErrUnsupported }
