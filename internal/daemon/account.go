// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"os/user"
	"strconv"
)

// account is a user to become.
type account struct {
	name     string
	uid, gid int
	groups   []int
}

// lookUp returns the account called name, with all its groups.
func lookUp(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return account{}, err
	}
	a := account{name: name}
	for _, n := range append([]string{u.Uid, u.Gid}, ids...) {
		id, err := strconv.Atoi(n)
		if err != nil {
			return account{}, err
		}
		a.groups = append(a.groups, id)
	}
	a.uid, a.gid, a.groups = a.groups[0], a.groups[1], a.groups[2:]
	return a, nil
}
