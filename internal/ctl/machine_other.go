// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux && !solaris

package ctl

import (
	"utmpd.dev/utmpd/internal/initsystem"
)

func release() string { return "" }

func writes() initsystem.Writes { return initsystem.Writes{Who: "no program known to write them"} }

func runLevel() byte { return 0 }

func volatile(string) bool { return false }
