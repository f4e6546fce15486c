// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package logind

import (
	"os"
	"testing"

	"utmpd.dev/utmpd/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }
