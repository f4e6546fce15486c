// SPDX-License-Identifier: BSD-2-Clause

// Package check finds what is wrong with utmpx and wtmpx files, btmp and lastlog: what
// damage is made of, times that go back, logins and logouts that do not pair, records
// that collide, and the traces that log cleaners leave. It is pure.
//
// It knows what is ordinary. Clocks are set soon after a boot; a login within a login
// has two records on one line; a program logs a session out twice; systemd marks a
// record dead and takes its time away. None of this is a finding, or it is a [Note].
//
// What log cleaners leave is told by public descriptions: zap and its like write zeros
// over whole records, of wtmp, utmp and lastlog; chkwtmp(8) and chklastlog(8) look for
// these. Others take away the user, the host or the time and leave the rest, or write
// the file again without the records: of those only the logouts stay, which have no
// user.
package check
