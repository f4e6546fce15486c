// SPDX-License-Identifier: BSD-2-Clause

// Package dashboard checks contrib/grafana against Grafana's own schema. It is a module by
// itself, so that nothing else depends on Grafana's library.
package dashboard

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// TestSchema reads the dashboard as strictly as the library can: no unknown field, none
// missing, each of its type.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	var d dashboard.Dashboard
	if err := d.UnmarshalJSONStrict(read(t)); err != nil && err.Error() != "" { // it has an empty list of errors
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil && err.Error() != "" {
		t.Fatal(err)
	}
	if len(d.Panels) < 10 {
		t.Errorf("%d panels", len(d.Panels))
	}
}

// TestColumns checks that each column of a table has a target and a title, and that what is
// said of a column is said of one that there is: Grafana is silent about others.
func TestColumns(t *testing.T) {
	var d struct{ Panels []panel }
	if err := json.Unmarshal(read(t), &d); err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, p := range d.Panels {
		if p.Type == "table" {
			tables++
			p.check(t)
		}
	}
	if tables == 0 {
		t.Error("no table")
	}
}

type panel struct {
	Type        string
	Targets     []struct{ RefID string }
	FieldConfig struct {
		Overrides []struct {
			Matcher struct{ Options any }
		}
	}
	Options struct {
		SortBy []struct{ DisplayName string }
	}
	Transformations []struct {
		Options struct {
			Include      struct{ Names []string }
			IndexByName  map[string]int
			RenameByName map[string]string
		}
	}
}

func (p panel) check(t *testing.T) {
	t.Helper()
	var kept []string
	titles, places := map[string]string{}, map[string]int{}
	for _, tr := range p.Transformations {
		kept = append(kept, tr.Options.Include.Names...)
		maps.Copy(titles, tr.Options.RenameByName)
		maps.Copy(places, tr.Options.IndexByName)
	}
	shown := slices.Collect(maps.Values(titles))
	for _, name := range kept {
		ref, value := strings.CutPrefix(name, "Value #")
		if value && !slices.ContainsFunc(p.Targets, func(target struct{ RefID string }) bool { return target.RefID == ref }) {
			t.Errorf("%q: there is no such target", name)
		}
		if _, placed := places[name]; titles[name] == "" || !placed {
			t.Errorf("%q has no title or no place", name)
		}
	}
	if len(titles) != len(kept) || len(places) != len(kept) {
		t.Errorf("%d columns, %d titles, %d places", len(kept), len(titles), len(places))
	}
	for _, o := range p.FieldConfig.Overrides {
		if name, _ := o.Matcher.Options.(string); !slices.Contains(shown, name) {
			t.Errorf("an override of %v, which is no column", o.Matcher.Options)
		}
	}
	for _, s := range p.Options.SortBy {
		if !slices.Contains(shown, s.DisplayName) {
			t.Errorf("sorted by %q, which is no column", s.DisplayName)
		}
	}
}

func read(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../contrib/grafana/utmpd.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
