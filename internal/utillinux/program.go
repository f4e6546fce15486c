// SPDX-License-Identifier: BSD-2-Clause

// Package utillinux is last, lastb and utmpdump as util-linux has them: the same options,
// output, messages and exit statuses, byte by byte. test/dropin compares them with the
// real ones, and lists what differs on purpose. It knows nothing of the source of
// util-linux: what it does was found by running its programs.
//
// [AppendText] and [ParseText] are the text form of utmpdump, one record a line.
package utillinux

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// VersionEnv is the environment variable that says which util-linux to be like, where
// they differ: 2.38 or 2.41. Without it, it is the newest.
const VersionEnv = "UTMPD_UTIL_LINUX"

// Program is one call of one of the programs, and what it has from its surroundings.
type Program struct {
	Argv           []string // the name it was called by, and the arguments
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Version        string // of this project, for -V

	old bool // be like 2.38
}

// Has reports whether a program that was called as argv0 is one of this package.
func Has(argv0 string) bool {
	switch filepath.Base(argv0) {
	case "last", "lastb", "utmpdump":
		return true
	}
	return false
}

// Run runs the program by whose name it was called and returns its exit status.
func Run(argv []string, version string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := Program{Argv: argv, Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: os.Getenv, Now: time.Now, Version: version}
	return p.Run()
}

// Run runs the program and returns its exit status: 0 for success, 1 for an error, which
// it prints.
func (p *Program) Run() int {
	p.old = p.Getenv(VersionEnv) == "2.38"
	run := p.last
	if p.name() == "utmpdump" {
		run = p.utmpdump
	}
	err := run()
	var usage usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(p.Stderr, "%s: %s\nTry '%s --help' for more information.\n", p.Argv[0], usage, p.name())
		return 1
	case err != nil:
		p.warn("%v", err)
		return 1
	}
	return 0
}

// name returns the name that messages begin with.
func (p *Program) name() string {
	if p.Argv[0] == "" {
		return ""
	}
	return filepath.Base(p.Argv[0])
}

// warn prints a message after the program's name.
func (p *Program) warn(format string, args ...any) {
	fmt.Fprintf(p.Stderr, p.name()+": "+format+"\n", args...)
}

// answer prints what an option asks for instead of the program's work, and returns errStop.
func (p *Program) answer(text string) error {
	if _, err := io.WriteString(p.Stdout, text); err != nil {
		return fmt.Errorf("write error: %s", reason(err))
	}
	return errStop
}

// versionLine says who this is. It is not util-linux.
func (p *Program) versionLine() string { return p.name() + " from utmpd " + p.Version + "\n" }

// usageError is a fault in the options.
type usageError string

func (e usageError) Error() string { return string(e) }

// fatal is a message of util-linux that is no good error of Go.
type fatal string

func (f fatal) Error() string { return string(f) }

// reason returns what the system says of an error, in the C library's words.
func reason(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	if words, ok := reasons[errno]; ok {
		return words
	}
	return errno.Error()
}

var reasons = map[syscall.Errno]string{
	syscall.ENOENT:       "No such file or directory",
	syscall.EACCES:       "Permission denied",
	syscall.EPERM:        "Operation not permitted",
	syscall.EISDIR:       "Is a directory",
	syscall.ENOTDIR:      "Not a directory",
	syscall.ENOSPC:       "No space left on device",
	syscall.EIO:          "Input/output error",
	syscall.EROFS:        "Read-only file system",
	syscall.ELOOP:        "Too many levels of symbolic links",
	syscall.ENAMETOOLONG: "File name too long",
	syscall.ENXIO:        "No such device or address",
	syscall.ESPIPE:       "Illegal seek",
	syscall.EBADF:        "Bad file descriptor",
	syscall.ETXTBSY:      "Text file busy",
	syscall.EMFILE:       "Too many open files",
}

// output buffers what a program prints to w. A file is written in large pieces.
func output(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 1<<16) }
