// SPDX-License-Identifier: BSD-2-Clause

package utmpfile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

// day is what a machine's log holds of one morning.
var day = []utmpx.Record{
	{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12.0", Time: utmpx.Time{Sec: 1_780_000_000}},
	{Type: utmpx.UserProcess, PID: 801, Line: "tty1", ID: "1", User: "root", Time: utmpx.Time{Sec: 1_780_000_100}},
	{Type: utmpx.UserProcess, PID: 950, Line: "pts/0", ID: "ts/0", User: "alice", Host: "desk.example.org", Time: utmpx.Time{Sec: 1_780_003_600}},
	{Type: utmpx.DeadProcess, PID: 801, Line: "tty1", Time: utmpx.Time{Sec: 1_780_004_000}},
	{Type: utmpx.UserProcess, PID: 980, Line: "pts/1", ID: "ts/1", User: "bob", Host: "10.0.0.7", Time: utmpx.Time{Sec: 1_780_007_200}},
}

// temp makes a file with those records, in a directory that remove removes.
func temp(l *utmpx.Layout, records ...utmpx.Record) (name string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	var data []byte
	for _, r := range records {
		if data, err = l.AppendEncode(data, r); err != nil {
			log.Fatal(err)
		}
	}
	name = filepath.Join(dir, "records")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		log.Fatal(err)
	}
	return name, func() { os.RemoveAll(dir) }
}

func clock(t utmpx.Time) string { return t.Time().UTC().Format("15:04:05") }

// Who is logged in, as who(1) shows it. NewFile("", nil) is this machine's file.
func ExampleFile_Snapshot() {
	name, remove := temp(utmpx.Native(), day[0], day[2], day[4])
	defer remove()

	records, err := utmpfile.NewFile(name, nil).Snapshot()
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range records {
		if r.Type == utmpx.UserProcess {
			fmt.Printf("%s %s %s (%s)\n", r.User, r.Line, clock(r.Time), r.Host)
		}
	}
	// Output:
	// alice pts/0 21:26:40 (desk.example.org)
	// bob pts/1 22:26:40 (10.0.0.7)
}

// The last ten logins, the latest first. The loop reads no more than it needs,
// through rotated and compressed files if it must.
func ExampleLog_Backward() {
	name, remove := temp(utmpx.Native(), day...)
	defer remove()

	left := 10
	for e, err := range utmpfile.NewLog(name, nil).Backward(context.Background()) {
		if err != nil {
			log.Print(err) // and go on with the files before
			continue
		}
		if e.Type != utmpx.UserProcess {
			continue
		}
		fmt.Println(e.User, e.Line, clock(e.Time))
		if left--; left == 0 {
			break
		}
	}
	// Output:
	// bob pts/1 22:26:40
	// alice pts/0 21:26:40
	// root tty1 20:28:20
}

// Sessions that began or ended since a time.
func ExampleLog_Since() {
	name, remove := temp(utmpx.Native(), day...)
	defer remove()

	since := time.Unix(1_780_004_000, 0)
	for e, err := range utmpfile.NewLog(name, nil).Since(context.Background(), since) {
		if err != nil {
			log.Fatal(err)
		}
		switch e.Type {
		case utmpx.UserProcess:
			fmt.Println(e.User, "logged in on", e.Line)
		case utmpx.DeadProcess:
			fmt.Println(e.Line, "ended")
		}
	}
	// Output:
	// tty1 ended
	// bob logged in on pts/1
}

// Wait for what happens, as tail -f does, from now on.
func ExampleLog_Follow() {
	name, remove := temp(utmpx.Native(), day...)
	defer remove()

	l := utmpfile.NewLog(name, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	end, err := l.End(ctx)
	if err != nil {
		log.Fatal(err)
	}
	appended := make(chan error)
	go func() { // somebody logs in
		appended <- l.Append(ctx, utmpx.Record{Type: utmpx.UserProcess, Line: "pts/2", ID: "ts/2", User: "carol", Time: utmpx.TimeOf(time.Now())})
	}()
	for e, err := range l.Follow(ctx, end) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.User, "logged in on", e.Line)
		break
	}
	if err := <-appended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// carol logged in on pts/2
}

// Go on where an earlier run of the program stopped. A Position can be kept as text.
func ExampleLog_From() {
	name, remove := temp(utmpx.Native(), day[:3]...)
	defer remove()

	l := utmpfile.NewLog(name, nil)
	ctx := context.Background()
	end, err := l.End(ctx)
	if err != nil {
		log.Fatal(err)
	}
	saved, err := json.Marshal(end)
	if err != nil {
		log.Fatal(err)
	}

	if err := l.Append(ctx, day[3:]...); err != nil { // while the program does not run
		log.Fatal(err)
	}

	var p utmpfile.Position
	if err := json.Unmarshal(saved, &p); err != nil {
		log.Fatal(err)
	}
	for e, err := range l.From(ctx, p) {
		var gap *utmpfile.GapError
		if errors.As(err, &gap) {
			fmt.Println("records after", gap.After, "may be missing")
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Type, e.Line)
		p = e.Position() // to be saved
	}
	// Output:
	// DEAD_PROCESS tty1
	// USER_PROCESS pts/1
}

// Record a login and its logout in both files, as a terminal emulator does. With
// utmpfile.Login and utmpfile.Logout it is this machine's files.
func ExampleRecorder() {
	file, removeFile := temp(utmpx.Native())
	defer removeFile()
	wtmp, removeLog := temp(utmpx.Native())
	defer removeLog()

	r := utmpfile.Recorder{File: utmpfile.NewFile(file, nil), Log: utmpfile.NewLog(wtmp, nil)}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // as libc waits
	defer cancel()
	err := r.Login(ctx, utmpfile.Session{Line: "/dev/pts/3", User: "alice", Host: "desk", PID: 950, Time: time.Unix(1_780_000_000, 0)})
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Logout(ctx, "/dev/pts/3", time.Unix(1_780_000_060, 0)); err != nil {
		log.Fatal(err)
	}

	now, err := r.File.Read(0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(now)
	for e, err := range r.Log.Forward(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e)
	}
	// Output:
	// DEAD_PROCESS line="pts/3" id="ts/3" pid=950 time=2026-05-28T20:27:40.000000Z
	// USER_PROCESS line="pts/3" id="ts/3" user="alice" host="desk" pid=950 time=2026-05-28T20:26:40.000000Z
	// DEAD_PROCESS line="pts/3" pid=950 time=2026-05-28T20:27:40.000000Z
}

// Append a record, as an FTP server does that records its logins in the log alone.
func ExampleLog_Append() {
	name, remove := temp(utmpx.Native())
	defer remove()

	l := utmpfile.NewLog(name, nil)
	err := l.Append(context.Background(), utmpx.Record{
		Type: utmpx.UserProcess, PID: 4711, Line: "ftpd4711", User: "alice", Host: "10.0.0.7",
		Time: utmpx.TimeOf(time.Unix(1_780_000_000, 0)),
	})
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range l.Forward(context.Background()) {
		fmt.Println(e, err)
	}
	// Output:
	// USER_PROCESS line="ftpd4711" user="alice" host="10.0.0.7" pid=4711 time=2026-05-28T20:26:40.000000Z <nil>
}

// Put a record, as init does for a getty, and put the session's record over it.
func ExampleFile_Put() {
	name, remove := temp(utmpx.Native(), day[0])
	defer remove()

	f := utmpfile.NewFile(name, nil)
	for _, r := range []utmpx.Record{
		{Type: utmpx.LoginProcess, PID: 801, Line: "tty1", ID: "1", User: "LOGIN"},
		{Type: utmpx.UserProcess, PID: 801, Line: "tty1", ID: "1", User: "root"},
	} {
		slot, err := f.Put(context.Background(), r)
		fmt.Println("slot", slot, err)
	}
	// Output:
	// slot 1 <nil>
	// slot 1 <nil>
}

// Find out in which layout a file is.
func ExampleLog_Layout() {
	name, remove := temp(utmpx.Glibc384BE, day...)
	defer remove()

	l, err := utmpfile.NewLog(name, nil).Layout()
	fmt.Println(l, err)
	// Output:
	// glibc-384-be <nil>
}

// Read a file of another machine: the layout is found by itself.
func Example_anotherMachine() {
	name, remove := temp(utmpx.Illumos372BE, day...)
	defer remove()

	for e, err := range utmpfile.NewLog(name, nil).Forward(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Record.Layout(), e.Type, e.User)
		break
	}
	// Output:
	// illumos-372-be BOOT_TIME reboot
}

// Convert a log to another layout.
func Example_convert() {
	name, remove := temp(utmpx.Glibc384LE, day...)
	defer remove()

	var data []byte
	for e, err := range utmpfile.NewLog(name, nil).Forward(context.Background()) {
		if err == nil {
			data, err = utmpx.Glibc384BE.AppendEncode(data, e.Record)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := os.WriteFile(name+"-powerpc", data, 0o644); err != nil {
		log.Fatal(err)
	}
	l, err := utmpfile.NewLog(name+"-powerpc", nil).Layout()
	fmt.Println(len(data)/l.Size(), "records in", l, err)
	// Output:
	// 5 records in glibc-384-be <nil>
}

// Tell a file that is locked from one that does not exist.
func ExampleLockedError() {
	file, remove := temp(utmpx.Native())
	defer remove()

	for _, name := range []string{file, file + ".missing"} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := utmpfile.NewFile(name, nil).Put(ctx, day[2])
		cancel()
		var locked *utmpfile.LockedError
		switch {
		case errors.As(err, &locked):
			fmt.Println("locked by process", locked.PID)
		case errors.Is(err, os.ErrNotExist):
			fmt.Println("there is no such file")
		case err == nil:
			fmt.Println("written")
		}
	}
	// Output:
	// written
	// there is no such file
}
