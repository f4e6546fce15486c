// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// usage is the resources that a daemon uses.
type usage struct {
	descriptors, threads, rss int
	table                     int64 // bytes of RUN_DIR/table
}

// usageOf returns the least number of descriptors of ten looks: a status that is being written has
// one for a moment.
func usageOf(t *testing.T, pid int) usage {
	t.Helper()
	var u usage
	for i := range 10 {
		names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 || len(names) < u.descriptors {
			u.descriptors = len(names)
		}
		time.Sleep(20 * time.Millisecond)
	}
	for line := range strings.Lines(string(readFile(t, fmt.Sprintf("/proc/%d/status", pid)))) {
		key, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.Fields(value + " 0")[0])
		switch key {
		case "Threads":
			u.threads = n
		case "VmRSS":
			u.rss = n << 10
		}
	}
	if st, err := os.Stat("/run/utmpd/table"); err == nil {
		u.table = st.Size()
	}
	return u
}

// goroutines ends the daemon with SIGQUIT and counts the goroutines in the dump of
// Go's runtime.
func (d *utmpd) goroutines(t *testing.T) int {
	t.Helper()
	d.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-d.done:
	case <-time.After(generous):
		t.Fatal("utmpd did not end on SIGQUIT")
	}
	n := 0
	for _, g := range regexp.MustCompile(`(?m)^goroutine [1-9][0-9]* .*$`).FindAllString(d.logged(), -1) {
		if !strings.Contains(g, "[GC worker") { // their number is up to the runtime
			n++
		}
	}
	return n
}

// startCounting starts a daemon whose goroutines can be counted when it ends.
func startCounting(t *testing.T) *utmpd {
	t.Helper()
	cmd := exec.Command(utmpdBinary, "-foreground", "-config", configFile)
	cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	return startUtmpdBy(t, cmd)
}

// TestVolume lets 20,000 sessions come and go, a million in the long form, through
// libc. Afterwards utmpd must use no more than after the first thousands.
func TestVolume(t *testing.T) {
	if !enterAlone(t, bookworm) {
		return
	}
	const workers, lines, slack = 4, 240, 16 << 20
	sessions := 20_000
	if long() {
		sessions = 1_000_000
	}
	program := compile(t, "volume")
	configure(t, "GRACE_PERIOD=0.05")
	idle := startCounting(t).goroutines(t)
	d := startCounting(t)
	resident := dwell(t, "x/1")
	resident.watched(t, d)

	var before, after usage
	total := volume{}
	began := time.Now()
	for i, n := range []int{sessions / 10, sessions - sessions/10} {
		total.add(runVolume(t, program, n, workers, lines))
		waitFor(t, generous, "the last ghost to go", func() bool { return len(entries(t)) == 1 })
		settle(t)
		statusSays(t, "sessions: 1")
		statusSays(t, "watched: 1")
		statusSays(t, "dying: 0")
		awaitSaved(t, resident)
		waitFor(t, generous, "the saved table to hold one session", func() bool {
			processes, owed := savedTable(t)
			// For a second utmpd waits for the logouts of owners that have marked their record.
			return processes == 1 && owed == 0
		})
		after = usageOf(t, d.cmd.Process.Pid)
		if i == 0 {
			before = after
		}
	}
	t.Logf("%d sessions in %v; before %+v, after %+v", sessions, time.Since(began).Round(time.Second), before, after)
	if after.descriptors != before.descriptors || after.threads > before.threads+4 ||
		after.table > 64<<10 || after.rss > before.rss+slack {
		t.Errorf("utmpd used %+v and now uses %+v", before, after)
	}
	resident.mustStand(t)
	checkVolume(t, total)
	if n := d.goroutines(t); n > idle { // one that has just begun may still look at something
		t.Errorf("utmpd has %d goroutines; one that has seen nothing has %d", n, idle)
	}
}

// volume is the outcome of the sessions: how many logged out, and how many did not.
type volume struct{ out, killed int }

func (v *volume) add(w volume) { v.out, v.killed = v.out+w.out, v.killed+w.killed }

func runVolume(t *testing.T, program string, sessions, workers, lines int) volume {
	t.Helper()
	cmd := exec.Command(program, fmt.Sprint(sessions), fmt.Sprint(workers), fmt.Sprint(lines))
	cmd.Stderr = t.Output()
	said, err := cmd.Output()
	var v volume
	if err == nil {
		_, err = fmt.Sscanf(string(said), "out %d killed %d", &v.out, &v.killed)
	}
	if err != nil {
		t.Fatalf("%v: the program printed %q", err, said)
	}
	return v
}

// checkVolume checks that each login in wtmp is closed by one logout or by the next
// login on its line, and that a session that logged out has exactly its own logout.
func checkVolume(t *testing.T, v volume) {
	t.Helper()
	l := utmpx.Native()
	logins, byUtmpd, byNext := 0, 0, 0
	open := make(map[string]bool)
	for b := readFile(t, wtmpFile); len(b) >= l.Size(); b = b[l.Size():] {
		r := l.Decode(string(b[:l.Size()]))
		switch {
		case !strings.HasPrefix(r.Line, "v/"):
		case r.Type == utmpx.UserProcess:
			if open[r.Line] {
				byNext++
			}
			logins++
			open[r.Line] = true
		case !open[r.Line]:
			t.Errorf("a logout without a login: %v", r)
		default:
			byUtmpd++
			open[r.Line] = false
		}
	}
	byUtmpd -= v.out
	for line, is := range open {
		if is {
			t.Errorf("wtmp leaves a login open on %s", line)
		}
	}
	t.Logf("%d logins: %d logged out, utmpd ended %d, the next login on the line %d", logins, v.out, byUtmpd, byNext)
	if logins != v.out+v.killed || byUtmpd+byNext != v.killed {
		t.Errorf("of %d sessions %d are in wtmp; %d were killed, utmpd ended %d and the next login %d",
			v.out+v.killed, logins, v.killed, byUtmpd, byNext)
	}
	if byUtmpd < v.killed/4 {
		t.Errorf("utmpd ended only %d of %d: too few for a test", byUtmpd, v.killed)
	}
}
