// SPDX-License-Identifier: BSD-2-Clause

package snapshot_test

import (
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// login is a session of a usual kind.
func login(i int) utmpx.Record {
	return utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(1000 + 37*i), Line: "pts/" + string(rune('0'+i%10)), ID: "ts/" + string(rune('0'+i%10)),
		User: "alice", Host: "host.example.org", Time: utmpx.Time{Sec: 1_780_000_000 + int64(i)*100, Usec: int64(i) * 1000},
	}
}

func logins(n int) []utmpx.Record {
	var recs []utmpx.Record
	for i := range n {
		recs = append(recs, login(i))
	}
	return recs
}

// table is a layout under test.
type table struct {
	name string
	l    *utmpx.Layout
}

// tables are all layouts.
var tables = func() []table {
	var all []table
	for _, l := range utmpx.Layouts() {
		all = append(all, table{l.Name(), l})
	}
	return all
}()

func (tab table) layout(*testing.T) *utmpx.Layout { return tab.l }

// file returns the bytes of a file that holds recs.
func (tab table) file(recs ...utmpx.Record) []byte {
	var data []byte
	for _, r := range recs {
		b, err := tab.l.Encode(r)
		if err != nil {
			panic(err)
		}
		data = append(data, b...)
	}
	return data
}
