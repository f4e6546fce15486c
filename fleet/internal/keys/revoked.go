// SPDX-License-Identifier: BSD-2-Clause

package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"utmpd.dev/utmpd/fleet/internal/wire"
)

// Files in the directory of the keys. A line is appended for each credentials, and for each
// that were revoked.
const (
	enrolled = "enrolled" // ROLE TOKEN KEY
	revoked  = "revoked"  // KEY TIME TOKEN
)

// RevokedFile is the file that changes when credentials are revoked.
func RevokedFile(dir string) string { return filepath.Join(dir, revoked) }

// ErrUnknown: no credentials of this name were ever made.
var ErrUnknown = errors.New("was never enrolled here")

// Revoke makes all credentials that a name has worthless, and returns how many there were. A
// server that runs reads it within seconds. New credentials can be made for the same name.
func (r *Ring) Revoke(role Role, name string) (n int, err error) {
	token := wire.Token(name)
	lines, err := r.lines(enrolled)
	if err != nil {
		return 0, err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	var gone []string
	for _, f := range lines {
		if len(f) == 3 && f[0] == string(role) && f[1] == token {
			gone = append(gone, f[2]+" "+at+" "+token)
		}
	}
	if len(gone) == 0 {
		return 0, fmt.Errorf("%q %w", name, ErrUnknown)
	}
	return len(gone), r.note(revoked, gone...)
}

// revoke enters in the account what was revoked.
func (r *Ring) revoke() error {
	lines, err := r.lines(revoked)
	for _, f := range lines {
		if len(f) != 3 {
			continue
		}
		at, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", RevokedFile(r.Dir), err)
		}
		r.Account.RevokeAt(f[0], time.Unix(at, 0))
	}
	return err
}

// lines returns the fields of a file's lines.
func (r *Ring) lines(file string) (all [][]string, err error) {
	b, err := os.ReadFile(filepath.Join(r.Dir, file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		all = append(all, strings.Fields(line))
	}
	return all, nil
}

// note appends lines to a file, which it makes, and waits for the disk.
func (r *Ring) note(file string, lines ...string) error {
	f, err := os.OpenFile(filepath.Join(r.Dir, file), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return f.Close()
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}
