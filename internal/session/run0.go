// SPDX-License-Identifier: BSD-2-Clause

package session

// Run0 is the PAM service of run0(1), whose sessions of logind's are no logins.
//
// Source: systemd's run.c, PAMName.
const Run0 = "systemd-run0"
