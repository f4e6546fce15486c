// SPDX-License-Identifier: BSD-2-Clause

package utmpx_test

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// Find the layout of bytes that came from another machine, and decode them.
func ExampleDetect() {
	var data []byte
	for i := range 3 {
		var err error
		data, err = utmpx.Glibc384BE.AppendEncode(data, utmpx.Record{
			Type: utmpx.UserProcess, PID: int32(700 + i), Line: fmt.Sprint("pts/", i), User: "alice",
			Time: utmpx.Time{Sec: 1_780_000_000 + int64(i)},
		})
		if err != nil {
			log.Fatal(err)
		}
	}

	l, confidence := utmpx.Detect(data)
	fmt.Println(l, confidence)
	for ; len(data) >= l.Size(); data = data[l.Size():] {
		r := l.Decode(string(data[:l.Size()]))
		fmt.Println(r.User, r.Line)
	}
	// Output:
	// glibc-384-be sure
	// alice pts/0
	// alice pts/1
	// alice pts/2
}

// Encode a login.
func ExampleLayout_Encode() {
	r := utmpx.Record{
		Type: utmpx.UserProcess, PID: 4711, Line: "pts/3", ID: "ts/3", User: "alice", Host: "desk.example.org",
		Time: utmpx.TimeOf(time.Date(2026, 5, 28, 20, 26, 40, 0, time.UTC)),
	}
	r.SetIP(netip.MustParseAddr("10.0.0.7"))
	b, err := utmpx.Glibc384LE.Encode(r)
	fmt.Println(len(b), err)
	fmt.Println(utmpx.Glibc384LE.Decode(string(b)))

	r.User = "a user whose name has more than 32 bytes"
	_, err = utmpx.Glibc384LE.Encode(r)
	fmt.Println(err)
	// Output:
	// 384 <nil>
	// USER_PROCESS line="pts/3" id="ts/3" user="alice" host="desk.example.org" pid=4711 addr=10.0.0.7 time=2026-05-28T20:26:40.000000Z
	// utmpx: encode as glibc-384-le: value does not fit its field: user "a user whose name has more than 32 bytes" has 40 bytes, the field 32
}
