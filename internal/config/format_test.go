// SPDX-License-Identifier: BSD-2-Clause

package config

import "strings"

// format returns settings as a file, each key once. Parse reads the same settings
// back, without a warning.
func format(c Config) string {
	var b []byte
	for _, k := range keys {
		b = append(b, k.name...)
		b = append(b, '=')
		b = append(b, quote(k.get(&c))...)
		b = append(b, '\n')
	}
	return string(b)
}

// quote writes v so that word, and a shell, read it back.
func quote(v string) string {
	if strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-@:+,") == "" {
		return v
	}
	return "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
}
