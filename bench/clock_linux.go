// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps in this thread for a short time, which Go's own sleep would prolong.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}

// processorTime returns the processor time of all threads of a process, 0 if it is gone.
func processorTime(pid int) time.Duration {
	return clock(int32(^pid<<3 | 2))
}

// ownTime returns the processor time of this thread.
func ownTime() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

func clock(id int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(id, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// descriptors returns the number of open files of a process.
func descriptors(pid int) int {
	name := fmt.Sprintf("/proc/%d/fd", pid)
	var st unix.Stat_t
	if unix.Stat(name, &st) != nil {
		return 0
	}
	if st.Size > 0 { // since Linux 6.2
		return int(st.Size)
	}
	names, _ := os.ReadDir(name)
	return len(names)
}

// usage is the resources of an idle process.
type usage struct {
	cpu      time.Duration
	switches int // context switches: how often its threads got a processor
	resident int // bytes
}

func usageOf(pid int) usage {
	u := usage{cpu: processorTime(pid)}
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, name := range names {
		fields := statusOf(name)
		u.switches += fields["voluntary_ctxt_switches"] + fields["nonvoluntary_ctxt_switches"]
		u.resident = fields["VmRSS"] << 10
	}
	return u
}

// statusOf reads the numbers in a /proc/PID/status.
func statusOf(name string) map[string]int {
	text, _ := os.ReadFile(name)
	fields := map[string]int{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		if words := strings.Fields(value); len(words) > 0 {
			fields[key], _ = strconv.Atoi(words[0])
		}
	}
	return fields
}

// sysctl returns a number of /proc/sys, 0 if there is none.
func sysctl(name string) int {
	text, _ := os.ReadFile("/proc/sys/" + name)
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

// machine describes the machine of the measurement.
type machine struct {
	CPU    string
	Cores  int
	Memory string
	Kernel string
	Date   string
	Load   string // at the start
}

func thisMachine() machine {
	var u unix.Utsname
	_ = unix.Uname(&u)
	load, _ := os.ReadFile("/proc/loadavg")
	m := machine{
		Kernel: unix.ByteSliceToString(u.Release[:]), Date: time.Now().Format(time.DateOnly),
		Cores: cores(), Load: strings.Join(strings.Fields(string(load))[:1], ""),
		Memory: fmt.Sprintf("%.0f GB", float64(statusOf("/proc/meminfo")["MemTotal"])/(1<<20)),
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

func cores() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return 0
	}
	return set.Count()
}

// millis and the others are the units of the table.
func millis(d time.Duration) float64  { return float64(d) / float64(time.Millisecond) }
func seconds(d time.Duration) float64 { return d.Seconds() }
