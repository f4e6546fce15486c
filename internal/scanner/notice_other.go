// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package scanner

import "context"

// Inotify stands for the notices of Linux; elsewhere there are none.
type Inotify struct{}

// NewInotify returns a Notifier of the file of that name.
func NewInotify(string) *Inotify { return &Inotify{} }

// Run calls notice once and fails with [ErrNoNotice]: the period alone counts.
func (n *Inotify) Run(_ context.Context, notice func()) error {
	notice()
	return ErrNoNotice
}

// Renew does nothing.
func (n *Inotify) Renew() {}
