// SPDX-License-Identifier: BSD-2-Clause

//go:build !solaris && !illumos

package cleaner

import "utmpd.dev/utmpd/utmpx"

// blank clears user and host, as logout(3) of glibc and systemd do.
func blank(r *utmpx.Record) { r.User, r.Host = "", "" }
