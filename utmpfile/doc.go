// SPDX-License-Identifier: BSD-2-Clause

// Package utmpfile reads and writes the files that hold a Unix system's session
// records: the utmpx file, with one record for each session, and the wtmpx log,
// to which every login and logout is appended.
package utmpfile
