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

// outcomeOf returns the outcome that an error of the utmpx file means.
func outcomeOf(err error) session.Outcome {
	switch {
	case errors.Is(err, recfile.ErrReplaced), errors.Is(err, fs.ErrNotExist):
		return session.Changed
	case errors.Is(err, sysfile.ErrLocked):
		return session.Busy
	}
	return session.Failed
}

// fill sets all results to r.
func fill(results []session.Result, r session.Result) {
	for i := range results {
		results[i] = r
	}
}

func setOutcome(results []session.Result, o session.Outcome) {
	for i := range results {
		results[i].Outcome = o
	}
}

func setLogout(results []session.Result, l session.Logout) {
	for i := range results {
		results[i].Logout = l
	}
}

// leaveOut takes the jobs out whose login is in doubt, so that their records stay.
func leaveOut(results []session.Result, same []bool) (doubtful []int) {
	for i := range results {
		if same[i] && results[i].Login.Line != "" {
			same[i] = false
			doubtful = append(doubtful, i)
		}
	}
	return doubtful
}

// markChanged sets the outcome Changed where the record was not the same.
func markChanged(results []session.Result, same []bool) {
	for i := range results {
		if !same[i] {
			results[i].Outcome, results[i].Err = session.Changed, nil
		}
	}
}

// markFailed sets the outcome of an error where the record was to be written and
// was not.
func markFailed(results []session.Result, same, written []bool, err error) {
	for i := range results {
		if same[i] && !written[i] {
			results[i].Outcome, results[i].Err = outcomeOf(err), err
		}
	}
}

// pick returns the swaps of the records that are the same.
func pick(swaps []recfile.Swap, same []bool) []recfile.Swap {
	if !slices.Contains(same, false) {
		return swaps
	}
	var picked []recfile.Swap
	for i, s := range swaps {
		if same[i] {
			picked = append(picked, s)
		}
	}
	return picked
}

// spread returns the answers for the picked records at the places of all.
func spread(answers, same []bool) []bool {
	all := make([]bool, len(same))
	k := 0
	for i := range same {
		if same[i] {
			all[i] = answers[k]
			k++
		}
	}
	return all
}
