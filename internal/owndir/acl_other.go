// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package owndir

// aclOthers knows the access control lists of Linux alone.
func (Owners) aclOthers(string, uint32) (who string, ok bool) { return "", false }
