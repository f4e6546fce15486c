// SPDX-License-Identifier: BSD-2-Clause

package daemon

import "utmpd.dev/utmpd/internal/state"

// store keeps a state for a later run.
type store interface {
	Load() (state.State, error)
	Save(st state.State) error
}

// journal keeps the table for a later run.
type journal interface {
	store

	// Append adds changes to what was saved last. If full, or after an error, the next that
	// is kept must be a whole state.
	Append(changes ...state.Change) (full bool, err error)
}

// stateFile is the store in a file of that name.
type stateFile string

func (f stateFile) Load() (state.State, error) { return state.Load(string(f)) }
func (f stateFile) Save(st state.State) error  { return st.Save(string(f)) }
