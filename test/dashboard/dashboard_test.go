// SPDX-License-Identifier: BSD-2-Clause

// Package dashboard checks contrib/grafana against Grafana's own schema. It is a module by
// itself, so that nothing else depends on Grafana's library.
package dashboard

import (
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// TestSchema reads the dashboard as strictly as the library can: no unknown field, none
// missing, each of its type.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	b, err := os.ReadFile("../../contrib/grafana/utmpd.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict(b); err != nil && err.Error() != "" { // it has an empty list of errors
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil && err.Error() != "" {
		t.Fatal(err)
	}
	if len(d.Panels) < 10 {
		t.Errorf("%d panels", len(d.Panels))
	}
}
