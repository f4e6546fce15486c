// SPDX-License-Identifier: BSD-2-Clause

// Package repair takes the whole records out of a damaged file, beside programs that
// write it.
//
// [Log] writes a new file and gives it the name of the old one, which stays as a backup:
//
//   - All records are copied and synced with no lock held. Under the lock that C
//     libraries take, only what came meanwhile is added, and the names are changed: a
//     writer gives up, and loses its record, if a lock is held for long.
//   - The old file gets a second name with a link, and the new one its first name with a
//     rename. So there is a whole file under the name at any moment.
//   - A writer may have opened the old file before that, and append to it later. So the
//     old file is watched until nobody has it open for writing, and what comes is
//     appended to the new one. Until then the second name says how far the old file was
//     read (wtmp.unfinished-FROM-TO-TIME), so that after a kill the next repair goes on
//     there.
//   - Such late records must be found. So a part of a record at the end of the old file
//     is filled up with NULs first: C libraries would cut it off, and one more with it.
//     They are taken away in the end, unless something was appended, or may be yet.
//
// [Table] repairs a utmpx file in place, since its slots must stay, and programs keep it
// open. It copies the old one first.
//
// A file's backup has a name that neither logrotate nor package logs takes for that of a
// rotated file: wtmp.damaged-20261128T172329.
package repair
