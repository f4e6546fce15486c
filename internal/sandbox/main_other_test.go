// SPDX-License-Identifier: BSD-2-Clause

//go:build !linux

package sandbox

var tasks map[string]func([]string) error
