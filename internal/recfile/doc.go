// SPDX-License-Identifier: BSD-2-Clause

// Package recfile reads and writes the utmpx file, which has one record for each
// session of a Unix system, and appends to the wtmpx log, which has one for every
// login and logout. Package logs reads the log.
//
// Other programs write the same files with pututxline(3), updwtmpx(3) and the
// like, of any libc. So the package locks the whole file, as they do, and keeps
// these rules:
//
//   - Readers take no lock. A record may be torn by a writer at work. It is a hint,
//     which [File.Compare] and [File.Swap] check under a lock.
//   - Each call that locks opens the file again, and checks under the lock that the
//     name still leads to the locked file.
//   - A record is written whole, at its place, and only over the bytes that the
//     caller expects there. The kernel appends to the log (O_APPEND).
//   - No lock is held while a file is synced.
//
// Locks belong to the open file description (F_OFD_SETLKW), so no other part of
// the program drops one by closing the same file. A call that finds the file
// locked waits until its context ends. Its thread stays in the kernel's queue, and
// the next call takes over that place.
package recfile
