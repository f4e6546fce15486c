// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soakEnv sets how long TestSoak runs, as in 5m. soakSeed sets the seed of what it does.
const (
	soakEnv     = "UTMPD_TEST_SOAK"
	soakSeedEnv = "UTMPD_TEST_SOAK_SEED"
)

// soakLength is an hour in the long form.
func soakLength() time.Duration {
	if d, err := time.ParseDuration(os.Getenv(soakEnv)); err == nil {
		return d
	}
	if long() {
		return time.Hour
	}
	return 20 * time.Second
}

// soak is a machine on which everything goes on at once. One goroutine does all of it,
// but for the flood, so it knows at each moment what utmp and wtmp must hold.
type soak struct {
	*testing.T
	rand *rand.Rand
	seed uint64

	d     *utmpd
	state daemonState
	since time.Time // when the daemon came into that state
	until time.Time // when it is to go on, if it is stopped or down

	put    string // programs
	flood  *exec.Cmd
	volume string
	over   chan error // of the flood

	slots    map[int]*slotted   // what utmp must hold, but for the flood's lines
	lodgers  map[string]*lodger // living sessions by line
	rotated  int                // rotations in this round
	logged   int                // bytes of the daemon's log that were checked
	deaths   map[string]death   // by line, pid and login as the log has them
	did      map[string]int
	lately   []string
	restarts bool
}

type daemonState int

const (
	daemonUp   daemonState = iota
	daemonHeld             // by SIGSTOP
	daemonDown
)

// TestSoak lets sessions log in and out, die, and reuse lines and pids, while utmpd is
// stopped, restarted and killed, its log rotated, and floods come. After each action utmp
// must hold what it should, byte for byte; after each round every death must be marked,
// each login ended once, and no end called exact that is not. In the last two thirds
// utmpd is not restarted, and must not grow. UTMPD_TEST_SOAK=5m sets the length.
func TestSoak(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	s := newSoak(t)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d; lately: %s", s.seed, strings.Join(s.lately, "; "))
		}
	}()
	length := soakLength()
	round := min(max(length/6, 5*time.Second), time.Minute)
	began := time.Now()
	s.restarts = true
	for time.Since(began) < length/3 {
		s.round(round)
	}
	s.restarts = false
	s.takeDown(func() { s.d.stop(t) })
	s.start()
	s.round(round) // what is made once
	before := s.usage()
	for time.Since(began) < length {
		s.round(round)
	}
	after := s.usage()
	t.Logf("in %v: %v; seed %d", time.Since(began).Round(time.Second), s.did, s.seed)
	t.Logf("before %+v, after %+v", before, after)
	const slack = 16 << 20 // as in TestVolume: Go keeps some of what the floods took
	if after.descriptors > before.descriptors+2 || after.threads > before.threads+4 ||
		after.rss > before.rss+slack || after.table > before.table+64 {
		t.Errorf("utmpd used %+v and now uses %+v", before, after)
	}
	s.d.stop(t)
	for name, n := range s.did {
		if n == 0 && length >= 5*time.Minute {
			t.Errorf("never: %s", name)
		}
	}
}

func newSoak(t *testing.T) *soak {
	seed, err := strconv.ParseUint(os.Getenv(soakSeedEnv), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	makeUser(t)
	s := &soak{
		T: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 0)), put: compile(t, "put"), volume: compile(t, "volume"),
		slots: map[int]*slotted{}, lodgers: map[string]*lodger{}, deaths: map[string]death{}, did: map[string]int{}, state: daemonDown,
	}
	compile(t, "session")
	s.foreigners()
	s.configure("1")
	s.start()
	return s
}

// round does things for a while, then waits until all is calm, and checks the log.
func (s *soak) round(length time.Duration) {
	s.archive()
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); {
		s.act()
		s.look()
		if s.rand.IntN(20) == 0 {
			s.checkLog(false)
		}
		<-pace.C // a steady load, which leaves the machine to others
	}
	s.calm()
	s.rest()
	s.Logf("round done: %+v, did %v", s.usage(), s.did)
}

// act does one thing at random.
func (s *soak) act() {
	if s.state != daemonUp && time.Now().After(s.until) {
		s.resume()
	}
	for _, a := range []struct {
		name   string
		weight int
		do     func() bool // false if it cannot be done now
	}{
		{"login", 250, s.login}, {"login on a terminal", 40, s.loginOnTerminal},
		{"logout", 40, s.logout}, {"kill", 110, s.kill}, {"reuse of a pid", 80, s.reusePID},
		{"end on a terminal", 40, s.endOnTerminal},
		{"HUP", 20, s.hangup}, {"STOP", 20, s.stop}, {"TERM", 15, s.terminate}, {"KILL", 15, s.killDaemon},
		{"rotation", 15, s.rotate}, {"copy and truncate", 15, s.copyTruncate}, {"flood", 4, s.startFlood},
	} {
		s.did[a.name] += 0
		if s.rand.IntN(1000) >= a.weight || !a.do() {
			continue
		}
		s.did[a.name]++
		s.lately = append(s.lately, time.Now().Format("05.000 ")+a.name)
		s.lately = s.lately[max(0, len(s.lately)-40):]
		s.look()
	}
	s.floodOver(false)
}

func (s *soak) start() {
	s.Helper()
	cmd := utmpdCommand(nil)
	cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	s.d, s.logged = startUtmpdBy(s.T, cmd), 0
	s.state, s.since = daemonUp, time.Now()
}

// takeDown ends the daemon, which stays down for a while.
func (s *soak) takeDown(end func()) {
	if s.state == daemonHeld {
		s.d.cmd.Process.Signal(syscall.SIGCONT)
	}
	end()
	s.checkSaid()
	s.state, s.since, s.until = daemonDown, time.Now(), time.Now().Add(time.Duration(s.rand.IntN(3000))*time.Millisecond)
}

// resume starts the daemon, or lets it go on. Now and then one is started that is killed
// before it is ready.
func (s *soak) resume() {
	if s.state == daemonHeld {
		s.d.cmd.Process.Signal(syscall.SIGCONT)
		s.state, s.since = daemonUp, time.Now()
		return
	}
	for s.rand.IntN(2) == 0 {
		cmd := utmpdCommand(nil)
		if err := cmd.Start(); err != nil {
			s.Fatal(err)
		}
		time.AfterFunc(time.Duration(s.rand.IntN(40_000))*time.Microsecond, func() { cmd.Process.Kill() })
		cmd.Wait()
		s.did["start killed"]++
		s.look()
	}
	s.start()
}

func (s *soak) hangup() bool {
	if s.state == daemonDown {
		return false
	}
	s.configure([]string{"0.2", "1", "2"}[s.rand.IntN(3)])
	return true
}

func (s *soak) stop() bool {
	if s.state != daemonUp {
		return false
	}
	pid := s.d.cmd.Process.Pid
	s.d.cmd.Process.Signal(syscall.SIGSTOP)
	waitFor(s.T, generous, "utmpd to be stopped", func() bool { p, _ := readProcess(pid); return p.state == "T" })
	if s.lockedByUtmpd() { // it would hold up others for longer than glibc waits
		s.d.cmd.Process.Signal(syscall.SIGCONT)
		return false
	}
	s.state, s.since, s.until = daemonHeld, time.Now(), time.Now().Add(time.Duration(s.rand.IntN(3000))*time.Millisecond)
	return true
}

func (s *soak) terminate() bool {
	if s.state == daemonDown || !s.restarts {
		return false
	}
	s.takeDown(func() { s.d.stop(s.T) })
	return true
}

func (s *soak) killDaemon() bool {
	if s.state == daemonDown || !s.restarts {
		return false
	}
	s.takeDown(s.d.kill)
	return true
}

// startFlood lets hundreds of sessions come and go, some with a logout and some without.
func (s *soak) startFlood() bool {
	if s.flood != nil {
		return false
	}
	var said output
	s.flood = exec.Command(s.volume, fmt.Sprint(200+s.rand.IntN(1000)), "4", "60")
	s.flood.Stdout, s.flood.Stderr = &said, &said
	if err := s.flood.Start(); err != nil {
		s.Fatal(err)
	}
	s.over = make(chan error, 1)
	go func() {
		err := s.flood.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said.String())
		}
		s.over <- err
	}()
	return true
}

// floodOver notices the end of a flood, or waits for it.
func (s *soak) floodOver(wait bool) {
	if s.flood == nil {
		return
	}
	limit := time.Duration(0)
	if wait {
		limit = 2 * generous
	}
	select {
	case err := <-s.over:
		if err != nil {
			s.Fatalf("the flood: %v", err)
		}
		s.flood = nil
	case <-time.After(limit):
		if wait {
			s.Fatal("the flood does not end")
		}
	}
}

// calm ends all, and returns when utmpd has done what it has to.
func (s *soak) calm() {
	s.Helper()
	if s.state != daemonUp {
		s.resume()
	}
	s.floodOver(true)
	for _, l := range s.lodgers {
		s.end(l)
	}
	waitFor(s.T, 2*generous, "utmpd to mark all that died", func() bool {
		s.look()
		return s.unmarked() == 0
	})
	settle(s.T)
	s.checkSaid()
	waitFor(s.T, generous, "the logouts in wtmp", func() bool { return s.checkLog(true) })
	statusSays(s.T, "logouts owed: 0")
	statusSays(s.T, "dying: 0")
	waitFor(s.T, generous, "the saved table to hold those that live all the time", func() bool {
		processes, owed := savedTable(s.T)
		return processes == 2 && owed == 0
	})
}

// soakKeys are the settings that a soak does not change.
const soakKeys = "RUN_AS=" + ownUser

// rest lets nothing happen for a while, so that utmpd gives back the memory that it used.
func (s *soak) rest() {
	s.Helper()
	configure(s.T, soakKeys)
	s.d.cmd.Process.Signal(syscall.SIGHUP)
	holds(s.T, 8*time.Second, "utmpd runs", func() bool {
		select {
		case <-s.d.done:
			return false
		default:
			return true
		}
	})
	s.configure("1")
}

// configure has a short heartbeat, and scans often.
func (s *soak) configure(grace string) {
	s.Helper()
	configure(s.T, soakKeys, "WTMPX_UPDATE_FREQ=1", "SCAN_PERIOD=5", "GRACE_PERIOD="+grace)
	if s.state != daemonDown {
		s.d.cmd.Process.Signal(syscall.SIGHUP)
	}
}

// usage is what utmpd and the process that sets the access time use.
func (s *soak) usage() usage {
	s.Helper()
	u := usageOf(s.T, s.d.cmd.Process.Pid)
	u.rss = field(s.T, s.d.cmd.Process.Pid, "RssAnon") << 10 // the rest is of the program's file
	for _, p := range processes() {
		if p.name == "utmpd" && p.pid != s.d.cmd.Process.Pid {
			v := usageOf(s.T, p.pid)
			u.descriptors, u.threads, u.rss = u.descriptors+v.descriptors, u.threads+v.threads, u.rss+field(s.T, p.pid, "RssAnon")<<10
			if p.parent != s.d.cmd.Process.Pid {
				s.Errorf("process %d is left of an earlier utmpd", p.pid)
			}
		}
	}
	return u
}
