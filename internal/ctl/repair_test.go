// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"strings"
	"testing"

	"utmpd.dev/utmpd/internal/repair"
	"utmpd.dev/utmpd/utmpx"
)

// TestRepairAgain: who has to run repair again is told, in either form.
func TestRepairAgain(t *testing.T) {
	for _, again := range []bool{false, true} {
		var text, lines bytes.Buffer
		r := repair.Report{Records: 3, Parts: 1, Bytes: 10, Layout: utmpx.Native(), Backup: "wtmp.damaged", Again: again}
		text.WriteString(repairText(call{}, "wtmp", r))
		if strings.Contains(text.String(), "run repair again") != again {
			t.Errorf("again %v: %s", again, &text)
		}
		if err := repairJSON(call{stdout: &lines}, "wtmp", r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(lines.String(), `"again":true`) != again {
			t.Errorf("again %v: %s", again, &lines)
		}
	}
}
