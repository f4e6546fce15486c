// SPDX-License-Identifier: BSD-2-Clause

// Package keys makes and keeps the keys of a fleet, and signs who may do what: in NATS'
// terms, an operator, one account, and a scoped signing key for each role. To enrol a host
// changes nothing in the server.
package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"utmpd.dev/utmpd/fleet/internal/wire"
	"utmpd.dev/utmpd/internal/atomicfile"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Host   Role = "host"   // publish as itself, read its own last event
	Reader Role = "reader" // read everything, change nothing
	Admin  Role = "admin"  // make and change the streams
)

// Ring is the directory with a fleet's keys.
type Ring struct {
	Dir      string
	Operator *jwt.OperatorClaims
	OpJWT    string
	Account  *jwt.AccountClaims
	JWT      string // the account's
	System   *jwt.AccountClaims
	SysJWT   string
}

// Open reads the keys in a directory, and makes those that are missing: the directory must
// be its user's alone.
func Open(dir string) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &Ring{Dir: dir}
	operator, err := r.pair("operator", nkeys.CreateOperator)
	if err != nil {
		return nil, err
	}
	account, err := r.public("account", nkeys.CreateAccount)
	if err != nil {
		return nil, err
	}
	system, err := r.public("system", nkeys.CreateAccount)
	if err != nil {
		return nil, err
	}
	id, err := operator.PublicKey()
	if err != nil {
		return nil, err
	}
	r.Operator = jwt.NewOperatorClaims(id)
	r.Operator.Name = "utmpfleet"
	r.Operator.SystemAccount = system
	if r.OpJWT, err = r.Operator.Encode(operator); err != nil {
		return nil, err
	}
	r.System = jwt.NewAccountClaims(system)
	r.System.Name = "SYS"
	if r.SysJWT, err = r.System.Encode(operator); err != nil {
		return nil, err
	}
	r.Account = jwt.NewAccountClaims(account)
	r.Account.Name = "UTMP"
	r.Account.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
		MaxAckPending: jwt.NoLimit, MemoryMaxStreamBytes: jwt.NoLimit, DiskMaxStreamBytes: jwt.NoLimit,
	}
	for _, role := range []Role{Host, Reader, Admin} {
		key, err := r.public(string(role), nkeys.CreateAccount)
		if err != nil {
			return nil, err
		}
		scope := jwt.NewUserScope()
		scope.Key, scope.Role, scope.Template = key, string(role), rights(role)
		r.Account.SigningKeys.AddScopedSigner(scope)
	}
	// It is there from the beginning, so that it is its server's, whoever revokes.
	if err := r.note(revoked); err != nil {
		return nil, err
	}
	if err := r.revoke(); err != nil {
		return nil, err
	}
	r.JWT, err = r.Account.Encode(operator)
	return r, err
}

// rights returns what a role may do. Inboxes are private: nobody may listen in on those of
// others.
func rights(role Role) (u jwt.UserPermissionLimits) {
	u.Subs, u.Data, u.Payload = 64, jwt.NoLimit, jwt.NoLimit
	u.Sub.Allow.Add("_INBOX.{{name()}}.>")
	pub := &u.Pub.Allow
	switch role {
	case Host:
		// A get with a body, without a subject of its own, would read everybody's.
		own := wire.HostEvents("{{name()}}")
		pub.Add(own, wire.Prefix+"utmp_on.{{name()}}.*", wire.BeatSubject("{{name()}}"), wire.PastSubject("{{name()}}"),
			"$JS.API.DIRECT.GET."+wire.Events+"."+own)
	case Reader:
		for _, s := range wire.All {
			pub.Add("$JS.API.STREAM.INFO."+s, "$JS.API.CONSUMER.CREATE."+s+".>", "$JS.API.CONSUMER.DELETE."+s+".*",
				"$JS.API.CONSUMER.INFO."+s+".*", "$JS.API.CONSUMER.MSG.NEXT."+s+".*", "$JS.API.DIRECT.GET."+s+".>", "$JS.API.DIRECT.GET."+s)
		}
		pub.Add("$JS.API.INFO", "$JS.ACK.>", "$JS.FC.>")
	case Admin:
		pub.Add("$JS.API.INFO")
		for _, s := range wire.All {
			pub.Add("$JS.API.STREAM.INFO."+s, "$JS.API.STREAM.CREATE."+s, "$JS.API.STREAM.UPDATE."+s)
		}
	}
	return u
}

// Creds returns a creds file: the proof of who a user is. It is a secret.
func (r *Ring) Creds(role Role, name string) ([]byte, error) {
	signer, err := r.pair(string(role), nil)
	if err != nil {
		return nil, err
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	id, err := user.PublicKey()
	if err != nil {
		return nil, err
	}
	c := jwt.NewUserClaims(id)
	c.Name, c.IssuerAccount = wire.Token(name), r.Account.Subject
	c.SetScoped(true)
	token, err := c.Encode(signer)
	if err != nil {
		return nil, err
	}
	seed, err := user.Seed()
	if err != nil {
		return nil, err
	}
	if role != Admin {
		if err := r.note(enrolled, fmt.Sprintf("%s %s %s", role, c.Name, id)); err != nil {
			return nil, err
		}
	}
	return jwt.FormatUserConfig(token, seed)
}

// public returns the public key of a pair.
func (r *Ring) public(name string, create func() (nkeys.KeyPair, error)) (string, error) {
	p, err := r.pair(name, create)
	if err != nil {
		return "", err
	}
	return p.PublicKey()
}

// pair reads a pair of keys. If it is missing, create makes it; nil makes none.
func (r *Ring) pair(name string, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
	file := filepath.Join(r.Dir, name+".nk")
	seed, err := os.ReadFile(file)
	if create == nil || !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, err
		}
		p, err := nkeys.FromSeed(seed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return p, nil
	}
	p, err := create()
	if err != nil {
		return nil, err
	}
	if seed, err = p.Seed(); err != nil {
		return nil, err
	}
	return p, atomicfile.WriteSync(file, 0o600, atomicfile.Bytes(seed))
}
