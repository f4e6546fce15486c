// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"bytes"
	"encoding/json"
	"io"

	"utmpd.dev/utmpd/internal/recordjson"
)

// printJSON prints a value as JSON and a newline, with an indent of that text, if any. Text in
// it may come from records and names of files: what cannot be printed is escaped.
func printJSON(w io.Writer, indent string, value any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	if err := e.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(recordjson.Printable(b.Bytes()))
	return err
}
