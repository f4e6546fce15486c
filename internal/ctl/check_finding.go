// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"io"
	"time"

	"utmpd.dev/utmpd/internal/check"
)

// findingLine prints a finding as one line.
func findingLine(w io.Writer, s screen) func(string, check.Finding) error {
	return func(file string, f check.Finding) error {
		place := ""
		if f.To > 0 {
			place = fmt.Sprintf(" bytes %d to %d:", f.From, f.To)
		}
		_, err := fmt.Fprintf(w, "%s:%s %s: %s; %s\n", s.text(file), place, f.Severity, s.text(f.Text), f.Advice)
		return err
	}
}

// findingJSON prints a finding as a JSON object in one line.
func findingJSON(w io.Writer) func(string, check.Finding) error {
	return func(file string, f check.Finding) error {
		out := struct {
			File     string         `json:"file"`
			Kind     check.Kind     `json:"kind"`
			Severity check.Severity `json:"severity"`
			From     *int64         `json:"from"`
			To       *int64         `json:"to"`
			Time     *time.Time     `json:"time"`
			Text     string         `json:"text"`
			Advice   string         `json:"advice"`
		}{File: file, Kind: f.Kind, Severity: f.Severity, Text: f.Text, Advice: f.Advice}
		if f.To > 0 {
			out.From, out.To = &f.From, &f.To
		}
		if !f.At.IsZero() {
			t := f.At.Local()
			out.Time = &t
		}
		return printJSON(w, "", out)
	}
}
