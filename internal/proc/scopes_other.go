// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package proc

import "errors"

// Inhabited fails: logind runs on Linux only.
func Inhabited() (ids map[string]bool, err error) { return nil, errors.ErrUnsupported }

// SessionOf returns none.
func SessionOf(int32) string { return "" }
