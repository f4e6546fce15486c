// SPDX-License-Identifier: BSD-2-Clause

// Package recfile reads and writes the utmpx file, which has one record for each
// session of a Unix system, and appends to the wtmpx log, which has one for every
// login and logout. Package logs reads the log.
//
// It works beside programs that know nothing of it: pututxline(3), updwtmpx(3)
// and their kin, in C, of any libc. So it locks as they do, over the whole file,
// and keeps to these rules:
//
//   - Readers take no lock. What they find may be torn by a writer at work; it
//     is a hint, which [File.Compare] and [File.Swap] judge again under a lock.
//   - Every locked call opens the file anew, and makes sure under the lock that
//     the name still leads to the file it has locked.
//   - A record is written whole, at its place, and only over the bytes that the
//     caller expects there. The log is written at its end by the kernel (O_APPEND).
//   - No lock is held while a file is made durable.
//
// Locks belong to the open file description (F_OFD_SETLKW), so that no other
// part of the program loses one by closing the same file. A call that finds the
// file locked waits until its context ends; the thread that waits stays behind,
// and the next call takes its place in the queue over.
package recfile
