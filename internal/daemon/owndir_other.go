// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package daemon

// aclOthers knows the access control lists of Linux alone.
func (ownDirs) aclOthers(string, uint32) (who string, ok bool) { return "", false }
