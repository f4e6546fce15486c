// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// logins is how many logins TestLatency measures. 0: it does not run.
var logins = flag.Int("logins", 0, "measure the time of so many logins by ssh until their record, and an idle minute")

// latencyEnv makes the test binary measure so many logins, in a machine. idleEnv is the
// process of utmpd there. floorEnv makes it the process that does only what must be done.
const (
	latencyEnv = "UTMPD_TEST_LATENCY"
	idleEnv    = "UTMPD_TEST_IDLE"
	floorEnv   = "UTMPD_TEST_FLOOR"
)

// TestLatency measures how long a login by ssh that sshd does not record has none and, of
// at least a hundred, what utmpd does then in a minute in which nothing happens.
func TestLatency(t *testing.T) {
	if *logins == 0 {
		t.Skip("-logins says how many")
	}
	o := settle(t, people13, true)
	o.sh("sed -i 's/^#*GRACE_PERIOD=.*//' /etc/default/utmpd; echo GRACE_PERIOD=0 >>/etc/default/utmpd; systemctl restart utmpd")
	o.sh(people + " on one 'ssh' -tt one@localhost")
	o.shell("one", "one", "one", "")
	o.waitFor("the record", "who /run/utmp | grep -q one")
	t.Log("\n" + o.sh(fmt.Sprintf("HOME=/root %s=%d %s=$(systemctl show -p MainPID --value utmpd) /usr/local/bin/packages.test", latencyEnv, *logins, idleEnv)))
}

// measure is TestLatency in the machine.
func measure(n int) error {
	w, err := watchLogins()
	if err != nil {
		return err
	}
	var fromSession, fromTerminal, floor, floorSynced []time.Duration
	for range n {
		began, named, now, err := w.login()
		if err != nil {
			return err
		}
		fromSession, fromTerminal = append(fromSession, now.Sub(began)), append(fromTerminal, now.Sub(named))
		for _, f := range []struct {
			all  *[]time.Duration
			sync bool
		}{{&floor, false}, {&floorSynced, true}} {
			d, err := timeFloor(f.sync)
			if err != nil {
				return err
			}
			*f.all = append(*f.all, d)
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%d times; load %s", n, load)
	for _, f := range []struct {
		name string
		all  []time.Duration
	}{
		{"from logind's session to the record", fromSession},
		{"from the name of the terminal to the record", fromTerminal},
		{"a process that is woken by a name, and writes both records", floor},
		{"the same, and syncs both", floorSynced},
	} {
		slices.Sort(f.all)
		fmt.Printf("%s: median %v, nine of ten %v, worst %v\n", f.name, f.all[n/2], f.all[n*9/10], f.all[n-1])
	}
	if n < 100 {
		return nil
	}
	pid := os.Getenv(idleEnv)
	time.Sleep(time.Minute) // Go's collector
	wakeups, cpu := usage(pid)
	time.Sleep(time.Minute)
	w2, c2 := usage(pid)
	fmt.Printf("idle, in 60 s: %d threads woken, %d ms of processor time\n", w2-wakeups, (c2-cpu)*10)
	return nil
}

// usage returns how often threads of a process gave up the processor, and its processor
// time in clock ticks.
func usage(pid string) (switches, ticks int) {
	files, _ := filepath.Glob("/proc/" + pid + "/task/*/status")
	for _, name := range files {
		text, _ := os.ReadFile(name)
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(value))
				switches += n
			}
		}
	}
	text, _ := os.ReadFile("/proc/" + pid + "/stat")
	if _, rest, ok := strings.Cut(string(text), ") "); ok {
		f := strings.Fields(rest)
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		ticks = user + system
	}
	return switches, ticks
}

// loginWatch sees terminals and records come.
type loginWatch struct {
	fd        int
	terminals int // the watch of /dev/pts
}

func watchLogins() (w loginWatch, err error) {
	if w.fd, err = unix.InotifyInit1(unix.IN_CLOEXEC); err != nil {
		return w, err
	}
	if w.terminals, err = unix.InotifyAddWatch(w.fd, "/dev/pts", unix.IN_CREATE); err != nil {
		return w, err
	}
	_, err = unix.InotifyAddWatch(w.fd, "/run/utmp", unix.IN_MODIFY)
	return w, err
}

// login logs in and out, and returns when the session began, its terminal had a name, and the
// record was there.
func (w loginWatch) login() (began, named, now time.Time, err error) {
	ssh := exec.Command("ssh", "-tt", "three@localhost")
	in, err := ssh.StdinPipe()
	if err != nil {
		return
	}
	if err = ssh.Start(); err != nil {
		return
	}
	line, named, err := w.await(func(r utmpx.Record) bool { return r.Type == utmpx.UserProcess && r.User == "three" })
	if err != nil {
		return
	}
	now = time.Now()
	if began, err = sessionOf(line.PID); err != nil {
		return
	}
	in.Close()
	_ = ssh.Process.Kill()
	_ = ssh.Wait()
	_, _, err = w.await(func(r utmpx.Record) bool { return r.Type == utmpx.DeadProcess && r.Line == line.Line })
	return
}

// await waits for a record, and returns it with when its terminal was named.
func (w loginWatch) await(found func(utmpx.Record) bool) (r utmpx.Record, named time.Time, err error) {
	layout := utmpx.Native()
	buf := make([]byte, 64<<10)
	for {
		text, err := os.ReadFile("/run/utmp")
		if err != nil {
			return r, named, err
		}
		for ; len(text) >= layout.Size(); text = text[layout.Size():] {
			if r := layout.Decode(string(text[:layout.Size()])); found(r) {
				return r, named, nil
			}
		}
		n, err := unix.Read(w.fd, buf)
		if err != nil {
			return r, named, err
		}
		for at := 0; at < n; at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[at+12:])) {
			if int(binary.NativeEndian.Uint32(buf[at:])) == w.terminals {
				named = time.Now()
			}
		}
	}
}

// timeFloor returns how long a process that does only what must be done takes from the making of
// a name until it has written a record to two files.
func timeFloor(sync bool) (time.Duration, error) {
	dir, err := os.MkdirTemp("/var/log", "floor")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), latencyEnv+"=", fmt.Sprintf("%s=%s %v", floorEnv, dir, sync))
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Wait()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return 0, err
	}
	time.Sleep(20 * time.Millisecond) // it waits
	began := time.Now()
	if err := os.Mkdir(dir+"/names/1", 0o700); err != nil {
		return 0, err
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// floor is the process of timeFloor.
func floor(dir string, sync bool) error {
	if err := os.Mkdir(dir+"/names", 0o700); err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	if _, err := unix.InotifyAddWatch(fd, dir+"/names", unix.IN_CREATE); err != nil {
		return err
	}
	os.Stdout.WriteString("r")
	if _, err := unix.Read(fd, make([]byte, 4096)); err != nil {
		return err
	}
	record := make([]byte, utmpx.Native().Size())
	for _, name := range []string{"/wtmp", "/utmp"} {
		f, err := os.OpenFile(dir+name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
			return err
		}
		if _, err := f.Write(record); err != nil {
			return err
		}
		if sync {
			if err := unix.Fdatasync(int(f.Fd())); err != nil {
				return err
			}
		}
		f.Close()
	}
	os.Stdout.WriteString("d")
	return nil
}

// sessionOf returns when logind made the session of a leader.
func sessionOf(leader int32) (time.Time, error) {
	files, _ := filepath.Glob("/run/systemd/sessions/*")
	for _, name := range files {
		if strings.HasSuffix(name, ".ref") {
			continue
		}
		text, _ := os.ReadFile(name)
		if !strings.Contains(string(text), fmt.Sprintf("\nLEADER=%d\n", leader)) {
			continue
		}
		if _, rest, ok := strings.Cut(string(text), "\nREALTIME="); ok {
			usec, _, _ := strings.Cut(rest, "\n")
			n, err := strconv.ParseInt(usec, 10, 64)
			return time.UnixMicro(n), err
		}
	}
	return time.Time{}, fmt.Errorf("no session has the leader %d", leader)
}
