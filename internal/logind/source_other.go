// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package logind

import (
	"context"
	"errors"
)

var errElsewhere = errors.New("logind runs on Linux only")

// Run reports that there is no logind, and waits until ctx ends.
func (s *Source) Run(ctx context.Context, report func(View)) {
	s.view = View{Err: errElsewhere}
	report(s.view)
	<-ctx.Done()
}
