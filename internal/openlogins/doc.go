// SPDX-License-Identifier: BSD-2-Clause

// Package openlogins knows which logins are open in a wtmpx log, and appends to
// the log what is chosen by that.
//
// [Logins] is a pure value: it follows from records and does no I/O. [Log] reads
// the records. It goes on where it stopped, so that a long log costs no more than
// a short one. If the log was rotated, it goes on in the rotated file. Otherwise
// it reads back to the last boot or shutdown, through rotated and compressed
// files. A reading that fails changes nothing.
package openlogins
