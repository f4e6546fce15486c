// SPDX-License-Identifier: BSD-2-Clause

// Package browser looks at the pages of `utmpctl report -html` in a real browser: Debian
// 13's Chromium, without a window, in a root file system of its own (root.sh).
package browser
