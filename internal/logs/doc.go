// SPDX-License-Identifier: BSD-2-Clause

// Package logs reads a wtmpx log: the present file and the files rotated away
// beside it, plain or compressed with gzip, bzip2, xz or zstd.
//
// A [Log] names a log. [Log.Files] lists its files, [Log.Open] opens one of
// them, and a [File] yields its records forward or backward; [Log.Forward] and
// [Log.Backward] do so with the present one. [Log.Since], [Log.From],
// [Log.AllBackward] and [Log.Follow] read across the files: from a time, from a
// [Position], from the end, and from a Position on without end.
//
// Nothing here writes, locks, or moves an access time where the system leaves a
// choice. A writer at work may leave a torn record at the end of a file; what is
// behind the last whole record is left out.
package logs
