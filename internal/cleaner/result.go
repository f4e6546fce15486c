// SPDX-License-Identifier: BSD-2-Clause

package cleaner

import (
	"errors"
	"io/fs"
	"slices"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/internal/sysfile"
)

// fail gives every job of a batch the outcome that an error of the utmpx file means.
func fail(results []session.Result, err error) {
	for i := range results {
		results[i] = session.Result{Outcome: outcomeOf(err), Err: err}
	}
}

func outcomeOf(err error) session.Outcome {
	switch {
	case errors.Is(err, recfile.ErrReplaced), errors.Is(err, fs.ErrNotExist):
		return session.Changed
	case errors.Is(err, sysfile.ErrLocked):
		return session.Busy
	}
	return session.Failed
}

// settle gives the jobs that were carried out their outcome, the others Changed.
func settle(results []session.Result, still, done []bool, as session.Outcome) {
	for i := range results {
		results[i].Outcome = as
		if !still[i] || !done[i] {
			results[i].Outcome = session.Changed
		}
	}
}

// failRest gives err to the jobs that were to be written and were not.
func failRest(results []session.Result, written, still []bool, err error) {
	for i := range results {
		if still[i] && !written[i] {
			results[i].Outcome, results[i].Err = outcomeOf(err), err
		}
	}
}

// pick returns the swaps of the records that still stand.
func pick(swaps []recfile.Swap, still []bool) []recfile.Swap {
	if !slices.Contains(still, false) {
		return swaps
	}
	var picked []recfile.Swap
	for i, s := range swaps {
		if still[i] {
			picked = append(picked, s)
		}
	}
	return picked
}

// spread puts the answers for picked records back to the places of all.
func spread(answers, still []bool) []bool {
	all := make([]bool, len(still))
	k := 0
	for i := range still {
		if still[i] {
			all[i] = answers[k]
			k++
		}
	}
	return all
}
