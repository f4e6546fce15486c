// SPDX-License-Identifier: BSD-2-Clause

// Package logind knows the sessions of systemd-logind or elogind, and records those that
// nobody else does.
//
// A [Source] listens on the system bus. It reports a [View] of all sessions whenever one
// begins, changes or ends. It polls nothing, and survives that the bus or logind is away,
// restarts, stalls, or sends what is no message.
//
// [Bridge.Decide] is pure: sessions, records and terminals in, what to write out. A
// [Recorder] gathers the one and carries out the other.
//
// The package uses the codec of godbus/dbus and not its connection. That one writes
// without a deadline, keeps signals without a bound or out of order, and believes any
// sender: whoever is on the bus can send a signal to one connection alone.
package logind
