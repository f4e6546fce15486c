// SPDX-License-Identifier: BSD-2-Clause

package grid

import "utmpd.dev/utmpd/utmpx"

// Evidence is what speaks for a layout in some bytes.
type Evidence struct {
	Layout  *utmpx.Layout
	Aligned int // anchors at multiples of the record's size
	Moved   int // anchors elsewhere
}

// Survey looks for anchors of all layouts in b, which begins like its file or anywhere
// in it. It returns the layout with the most that are aligned, or with the most at
// all if none is; without any anchor the layout is nil.
func Survey(b []byte) Evidence {
	counts := map[*shape]*Evidence{}
	first := map[*shape]int64{}
	for _, a := range anchorsIn(b, 0) {
		e := counts[a.shape]
		if e == nil {
			e = &Evidence{}
			counts[a.shape], first[a.shape] = e, a.off
		}
		if a.off%int64(a.size) == 0 {
			e.Aligned++
		} else {
			e.Moved++
		}
	}
	var best Evidence
	for _, s := range shapes {
		e := counts[s]
		if e == nil || e.Aligned < best.Aligned || e.Aligned == best.Aligned && e.Moved <= best.Moved && best.Layout != nil {
			continue
		}
		best = *e
		// Of layouts that read alike it is the one that this machine has.
		best.Layout, _ = utmpx.Detect(b[first[s] : first[s]+int64(s.size)])
		if best.Layout == nil {
			best.Layout = s.layout
		}
	}
	return best
}
