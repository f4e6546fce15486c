// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package notify

import "context"

// Inotify is a Notifier that gives no notices: only Linux has inotify(7).
type Inotify struct{}

// NewInotify returns a Notifier for the named file.
func NewInotify(string) *Inotify { return &Inotify{} }

// NewAppends returns a Notifier for a log.
func NewAppends(string) *Inotify { return &Inotify{} }

// Run calls notice once and returns [ErrUnsupported].
func (n *Inotify) Run(_ context.Context, notice func()) error {
	notice()
	return ErrUnsupported
}

// Renew does nothing.
func (n *Inotify) Renew() {}

// Entries calls notice once and returns [ErrUnsupported].
func Entries(_ context.Context, _ string, notice func(opened bool)) error {
	notice(false)
	return ErrUnsupported
}
