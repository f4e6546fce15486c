// SPDX-License-Identifier: BSD-2-Clause

// Package grid finds the records in the bytes of a log that may be damaged: torn
// records that nobody cut, blocks of NULs, bytes that were inserted or lost, records
// of another layout. It is pure.
//
// Whole records stand on a grid: a layout and an offset modulo its size. A log
// without damage is one grid, and showing that takes a look at the type and the time
// of each record. Only where that fails are the bytes searched for anchors: places
// at which nothing but a record can be. What decides between overlapping anchors is
// how many others of the same grid there are within 64 records; at a tie none wins.
//
//   - The same grid on both sides of a misfit: the records between are odd, not
//     moved. One that has a time and a type is a record still, whatever else is in it; of
//     the type EMPTY, if all else is a session's.
//   - Another grid: each side goes on for as long as records fit strictly. The rest
//     is damage.
//
// The result depends on the bytes alone, so both directions agree. It must not be
// possible to make a record with what a login client controls: a host, a user. So
// an anchor has strings that are filled up with NULs, and nothing in its padding.
//
// The file is looked at in chunks of a fixed size, so memory is bounded and the time
// linear.
package grid
