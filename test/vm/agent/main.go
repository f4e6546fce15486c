// SPDX-License-Identifier: BSD-2-Clause

// Agent runs inside a machine under test. It executes the commands that it receives
// on a virtio serial port and sends back their results, one JSON object per line in
// each direction.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// request is a command for sh.
type request struct {
	Command string
	Input   []byte
}

// reply is the result of a command. Now is the guest's clock at the end.
type reply struct {
	Boot   string // the boot ID
	Now    time.Time
	Exit   int
	Output []byte
	Errors []byte
}

func main() {
	for {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// serve sends a greeting and answers requests until the port is closed.
func serve() error {
	name, err := port()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	if err := enc.Encode(answer(request{Command: ":"})); err != nil {
		return err
	}
	in := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return err
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if err := enc.Encode(answer(r)); err != nil {
			return err
		}
	}
}

// port finds the port by the name that the emulator gave it; udev may not have created
// a link of that name yet.
func port() (string, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if b, _ := os.ReadFile(n); strings.TrimSpace(string(b)) == "agent" {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(n))), nil
		}
	}
	return "", errors.New("no port yet")
}

// answer runs the command. It does not wait for background processes.
func answer(r request) reply {
	cmd := exec.Command("/bin/sh", "-c", r.Command)
	cmd.Stdin = bytes.NewReader(r.Input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Dir = "/root"
	cmd.WaitDelay = time.Second
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "LC_ALL=C.UTF-8", "TZ=UTC", "TERM=dumb",
	}
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(&errs, "agent:", err)
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	exit := -1
	if cmd.ProcessState != nil {
		exit = cmd.ProcessState.ExitCode()
	}
	return reply{
		Boot: strings.TrimSpace(string(boot)), Now: time.Now(),
		Exit: exit, Output: out.Bytes(), Errors: errs.Bytes(),
	}
}
