// SPDX-License-Identifier: BSD-2-Clause

//go:build !386 && !arm

package sandbox

// wideCalls is empty: ids and times have one width here.
var wideCalls []uint32
