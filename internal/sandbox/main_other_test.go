//go:build !linux

package sandbox

var tasks map[string]func([]string) error
