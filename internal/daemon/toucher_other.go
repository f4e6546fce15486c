// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package daemon

import "utmpd.dev/utmpd/internal/toucher"

// giveUpFowner is for Linux alone, whose root can be given away in parts.
func giveUpFowner(string, string, bool) (*toucher.Remote, map[string]opener, error) {
	return nil, nil, nil
}

func beToucher() (status int, ok bool) { return 0, false }
