// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"os"
	"time"

	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/utmpx"
)

// table checks a utmpx file.
func (c *checking) table(t target, to string, found func(check.Finding)) error {
	if other, err := c.otherTable(t, to, found); other || err != nil {
		return err
	}
	snap, err := recfile.NewFile(to, recfile.Options{}).Snapshot(nil)
	switch {
	case errors.Is(err, recfile.ErrLayout), errors.Is(err, recfile.ErrTorn):
		found(noRecords(t, "end the sessions"))
		return nil
	case err != nil && !errors.Is(err, recfile.ErrTooLong):
		return err
	case err != nil:
		found(check.Finding{Kind: check.Damage, Severity: check.Error, Text: fmt.Sprintf("it has more than %d records", recfile.MaxRecords),
			Advice: "the rest was not checked"})
	}
	var records []utmpx.Record
	for _, r := range snap.All() {
		records = append(records, r)
	}
	var on *check.Machine
	if t.live {
		on = &check.Machine{Alive: c.in.on.alive, Led: c.in.on.led, Within: c.in.on.within}
	}
	check.Table(records, on, found)
	if info, err := os.Stat(to); err == nil && len(records) > 0 {
		size := int64(len(records[0].Raw()))
		if end := int64(len(records)) * size; info.Size() > end && info.Size() < end+size {
			found(check.Partial(end, info.Size(), time.Time{}))
		}
	}
	if len(records) > 0 && t.live {
		otherSystem(records[0].Layout(), found)
	}
	return nil
}

// otherTable checks a utmpx file of a system that utmpd does not run on, and reports whether
// it is one.
func (c *checking) otherTable(t target, to string, found func(check.Finding)) (other bool, err error) {
	if t.live {
		return false, nil
	}
	f, err := logs.New(to, logs.Options{Other: otherForm}).Open(c.in.ctx, to)
	if err != nil {
		return false, nil // reading it as one of this system tells why
	}
	defer f.Close()
	if !f.Other() {
		return false, nil
	}
	var records []utmpx.Record
	for e, err := range f.Forward(0) {
		if damage := asDamage(err); damage != nil {
			found(check.Finding{Kind: check.Damage, Severity: check.Error, From: damage.From, To: damage.To,
				Text: "no record", Advice: "the system writes the file again when it is booted"})
			continue
		}
		if err != nil {
			return true, err
		}
		records = append(records, e.Record.Detach())
	}
	check.Table(records, nil, found)
	return true, nil
}

func asDamage(err error) *logs.DamageError {
	var damage *logs.DamageError
	if errors.As(err, &damage) {
		return damage
	}
	return nil
}
