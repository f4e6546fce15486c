// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// patience is how long a failing wtmp may delay the marking in utmp.
const patience = 10 * time.Second

// readLock makes alice, who may only read the file, hold a lock on it until release
// is called.
func readLock(t *testing.T, name string) (holder int, release func()) {
	t.Helper()
	cmd := asAlice(exec.Command(compile(t, "readlock"), name))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, len("locked\n"))); err != nil {
		t.Fatalf("alice gets no lock: %v", err)
	}
	return cmd.Process.Pid, func() { stdin.Close() }
}

// statusSays waits for a line of RUN_DIR/status.
func statusSays(t *testing.T, line string) {
	t.Helper()
	waitFor(t, generous, "the status to say "+line, func() bool {
		b, _ := os.ReadFile("/run/utmpd/status")
		return strings.Contains(string(b), "\n"+line+"\n")
	})
}

// careless records a sleeper on the line in utmp without taking a lock.
func careless(t *testing.T, line string) *dweller {
	t.Helper()
	cmd := sleeper(t, aliceSleeps())
	entry := utmpx.Record{
		Type: utmpx.UserProcess, PID: int32(cmd.Process.Pid), Line: line, ID: line, User: "alice",
		Time: utmpx.TimeOf(time.Now()),
	}
	appendRecords(t, utmpFile, entry)
	for _, r := range entries(t) {
		if r.Line == line {
			return &dweller{cmd, r}
		}
	}
	t.Fatalf("no entry for %s", line)
	return nil
}

// appendRecords appends records to a file in one write.
func appendRecords(t *testing.T, name string, all ...utmpx.Record) {
	t.Helper()
	var b []byte
	for _, r := range all {
		one, err := utmpx.Native().Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, one...)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
}

// TestReadLockOnUtmp checks a read lock on utmp, which any user can hold. It delays
// utmpd, which reports the holder, continues with everything else, and loses
// nothing.
func TestReadLockOnUtmp(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t, "WTMPX_UPDATE_FREQ=1")
	first, second, lives := dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3")
	first.watched(t, d)
	second.watched(t, d)
	holder, release := readLock(t, utmpFile)
	firstDied := first.kill(t)
	d.waitLog(t, "cleaning waits", fmt.Sprintf("holder=%d", holder), "user=alice")

	// Everything else continues.
	beats(t)
	came := careless(t, "x/4")
	came.watched(t, d)
	secondDied := second.kill(t)
	statusSays(t, "dying: 2")
	statusSays(t, "watched: 2")
	holds(t, grace+300*time.Millisecond, "utmp unchanged while locked", func() bool { return whoShows(t, "x/1") && whoShows(t, "x/2") })

	released := time.Now()
	release()
	waitFor(t, generous, "who to stop showing the dead", func() bool { return !whoShows(t, "x/1") && !whoShows(t, "x/2") })
	if took := time.Since(released); took > slow {
		t.Errorf("utmpd needed %v after the lock was gone", took)
	}
	first.mustGo(t, firstDied)
	second.mustGo(t, secondDied)
	lives.mustStand(t)
	lives.mustGo(t, lives.kill(t))
}

// TestReadLockOnWtmp checks the same on wtmp. After the patience, utmp is marked
// anyway. When the lock is gone, this or the next utmpd writes the logouts with the
// times of death.
func TestReadLockOnWtmp(t *testing.T) {
	for _, c := range []struct {
		name    string
		restart func(*testing.T, *utmpd) *utmpd
	}{
		{"the same utmpd", func(t *testing.T, d *utmpd) *utmpd { return d }},
		{"the next utmpd", func(t *testing.T, d *utmpd) *utmpd {
			d.stop(t)
			return startUtmpdAs(t, nil)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			d := startUtmpd(t)
			first, second, lives := dwell(t, "x/1"), dwell(t, "x/2"), dwell(t, "x/3")
			first.watched(t, d)
			second.watched(t, d)
			lives.watched(t, d)
			wtmp := readFile(t, wtmpFile)
			holder, release := readLock(t, wtmpFile)
			firstDied := first.kill(t)
			d.waitLog(t, "cleaning waits", fmt.Sprintf("holder=%d", holder), "user=alice")
			waitFor(t, generous, "utmp to be marked in spite of wtmp", func() bool { return !whoShows(t, "x/1") })
			if took := time.Since(firstDied.from); took < patience {
				t.Errorf("utmp was marked without wtmp after %v", took)
			}
			d.waitLog(t, "session ended", "line=x/1", "logout=owed")
			statusSays(t, "logouts owed: 1")

			// utmpd no longer waits for wtmp.
			secondDied := second.kill(t)
			waitFor(t, generous, "who to stop showing the second", func() bool { return !whoShows(t, "x/2") })
			t.Logf("the second was marked %v after its death", time.Since(secondDied.to))
			statusSays(t, "logouts owed: 2")
			if string(wtmp) != string(readFile(t, wtmpFile)) {
				t.Error("utmpd wrote despite the lock")
			}
			d = c.restart(t, d)
			statusSays(t, "logouts owed: 2")

			released := time.Now()
			release()
			waitFor(t, generous, "the logouts in wtmp", func() bool {
				return logouts(t, first.entry) == 1 && logouts(t, second.entry) == 1
			})
			took := time.Since(released)
			t.Logf("the logouts were written %v after the lock was gone", took)
			if took > slow {
				t.Errorf("utmpd needed %v after the lock was gone", took)
			}
			d.waitLog(t, "pending logouts are written", "logouts=2")
			statusSays(t, "logouts owed: 0")
			first.mustGo(t, firstDied)
			second.mustGo(t, secondDied)
			lives.mustStand(t)
			lives.mustGo(t, lives.kill(t))
		})
	}
}

// TestShortReadLockOnWtmp checks that a lock released within the patience leaves no
// pending logouts.
func TestShortReadLockOnWtmp(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	d := startUtmpd(t)
	w := dwell(t, "x/1")
	w.watched(t, d)
	_, release := readLock(t, wtmpFile)
	died := w.kill(t)
	d.waitLog(t, "cleaning waits", "user=alice")
	w.mustStand(t)
	released := time.Now()
	release()
	waitFor(t, generous, "who to stop showing the session", func() bool { return !whoShows(t, "x/1") })
	took := time.Since(released)
	t.Logf("the session was ended %v after the lock was gone", took)
	if took > slow {
		t.Errorf("utmpd needed %v after the lock was gone", took)
	}
	w.mustGo(t, died)
	d.waitLog(t, "session ended", "line=x/1", "logout=written")
}
