// SPDX-License-Identifier: BSD-2-Clause

package metrics

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Text is metrics in the text format of Prometheus, version 0.0.4. The zero Text is
// empty.
type Text struct{ b []byte }

// Kind is the type of a metric.
type Kind string

// The kinds that are used.
const (
	Gauge   Kind = "gauge"
	Counter Kind = "counter"
)

// Bytes returns the text.
func (t *Text) Bytes() []byte { return t.b }

// Reset makes t empty and keeps its memory.
func (t *Text) Reset() { t.b = t.b[:0] }

// Family begins a metric: its values follow. Each name must be given once.
func (t *Text) Family(name string, kind Kind, help string) {
	for _, s := range [...]string{"# HELP ", name, " ", escapeHelp(help), "\n# TYPE ", name, " ", string(kind), "\n"} {
		t.b = append(t.b, s...)
	}
}

// Value adds a value of the metric name; labels are names and values in turn.
func (t *Text) Value(name string, v float64, labels ...string) {
	t.b = append(t.b, name...)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		t.b = append(t.b, sep)
		t.b = append(t.b, labels[i]...)
		t.b = append(t.b, `="`...)
		t.b = append(t.b, escapeLabel(labels[i+1])...)
		t.b = append(t.b, '"')
	}
	if len(labels) > 1 {
		t.b = append(t.b, '}')
	}
	t.b = append(t.b, ' ')
	form := byte('g')
	if math.Abs(v) < 1e15 { // people read times, too
		form = 'f'
	}
	t.b = strconv.AppendFloat(t.b, v, form, -1, 64)
	t.b = append(t.b, '\n')
}

// One adds a metric with one value.
func (t *Text) One(name string, kind Kind, help string, v float64) {
	t.Family(name, kind, help)
	t.Value(name, v)
}

// Flag adds a metric that is 1 or 0.
func (t *Text) Flag(name, help string, on bool) {
	v := 0.0
	if on {
		v = 1
	}
	t.One(name, Gauge, help, v)
}

// Time adds a moment, in seconds since 1970 with milliseconds; a zero one is left out.
func (t *Text) Time(name, help string, at time.Time) {
	if !at.IsZero() {
		t.One(name, Gauge, help, seconds(at))
	}
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func escapeHelp(s string) string { return helpEscapes.Replace(s) }

// escapeLabel makes valid UTF-8 of s, too, without which nothing of a file is read.
func escapeLabel(s string) string { return labelEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD")) }
