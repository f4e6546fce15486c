// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/clock"
	"utmpd.dev/utmpd/internal/heartbeat"
	"utmpd.dev/utmpd/internal/initsystem"
	"utmpd.dev/utmpd/utmpx"
)

// world is a machine that boots, crashes, sleeps and sets its clock at random. It
// knows what is true, and utmpctl what is left in files.
type world struct {
	*lab
	rng  *rand.Rand
	now  time.Time     // the true time
	off  time.Duration // what the machine's clock shows more than that
	past []*trueBoot   // the last one is the present one

	init      int  // which init it has
	contained bool // it is a container: the boot's id and the kernel's count are the host's
	clocks    int  // which clock it has
	memory    bool // its log is in memory
	every     time.Duration
	hostBoot  time.Time // true start of the kernel
	hostID    int

	utmpd    bool
	beat     time.Time // of the last beat
	noted    *heartbeat.Note
	saved    time.Time // what a clock without a battery starts with
	accessed time.Time
	copied   []byte // an old copy of the log
	copiedAt int    // how many boots had been then
	harm     harm   // to the log
	told     []string
	tally    map[string]int
	wrong    []string
}

// trueBoot is a boot as it was.
type trueBoot struct {
	id       string
	from, to time.Time // true times
	offs     []time.Duration
	slept    time.Duration
	crashed  bool
	late     time.Duration // of its record
	entered  bool          // utmpctl boot has run to its end
	logged   bool          // the log has its record
	toldLog  bool          // its shutdown is in the log
	toldNote bool          // and in STATE_DIR
	unseen   time.Duration // by how much its clock was set without utmpd
	counted  bool          // utmpd has noted the kernel's count since, and that is kept
	killed   bool          // utmpd was killed, and not started again
	aborted  bool          // it ended before utmpctl boot ran
	hurt     bool          // the log was damaged among its records, or beside them
	gone     bool          // the damage has taken the record of its beginning
	stepless bool          // and one of a step of the clock
}

// The inits, by what they record, and when.
const (
	initNone = iota // nothing: utmpctl does it
	initSystemd
	initSysv
	initSysvRoot // before any script runs
	initOpenRC
	inits
)

// The clocks.
const (
	clockRight = iota
	clockLocal // an RTC in local time
	clockEpoch // 1970 at the start
	clockSaved // without a battery: it goes on where it stood
	clockAhead // once
	clocksInAll
	clockFixed  = clocksInAll + iota // a date years ago at the start
	clockBehind                      // once
)

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{lab: newLab(t), rng: rand.New(rand.NewPCG(seed, 0)), tally: map[string]int{}}
	w.now = time.Date(2030, 3, 1, 8, 0, 0, 0, time.UTC)
	w.harm.rng = rand.New(rand.NewPCG(seed, 1))
	w.harm.everyFew = w.harm.chance(3)
	w.init = w.rng.IntN(inits)
	w.contained = w.chance(4)
	w.memory = w.chance(6)
	w.clocks = max(0, w.rng.IntN(clocksInAll+4)-4)
	w.every = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}[w.rng.IntN(3)]
	if more := rand.New(rand.NewPCG(seed, 2)); more.IntN(2) == 0 {
		switch w.clocks {
		case clockEpoch:
			w.clocks = clockFixed
		case clockAhead:
			w.clocks = clockBehind
		}
	}
	if w.contained {
		w.init, w.clocks = initNone, clockRight
		w.hostStarts()
	}
	w.saved, w.accessed = w.now, time.Unix(0, 0)
	w.system = [...]initsystem.Writes{{}, systemd, {BootLog: true, BootFile: true, Shutdown: true},
		{BootLog: true, BootFile: true, Shutdown: true}, {BootLog: true, Shutdown: true}}[w.init]
	w.tell("init %d, container %v, clock %d, log in memory %v, a beat every %v", w.init, w.contained, w.clocks, w.memory, w.every)
	return w
}

func (w *world) chance(in int) bool { return w.rng.IntN(in) == 0 }

// between returns a random duration, by its logarithm.
func (w *world) between(least, most time.Duration) time.Duration {
	d := float64(least) * math.Pow(float64(most)/float64(least), w.rng.Float64())
	return time.Duration(d).Truncate(time.Millisecond)
}

func (w *world) wall() time.Time { return w.now.Add(w.off) }

func (w *world) present() *trueBoot { return w.past[len(w.past)-1] }

func (w *world) tell(format string, args ...any) {
	w.told = append(w.told, w.wall().Format("01-02 15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (w *world) count(what string) { w.tally[what]++ }

// live lets the machine live through some boots, and checks the laws at random.
func (w *world) live() {
	for n := 2 + w.rng.IntN(6); n > 0 && len(w.wrong) == 0; n-- {
		w.up()
		w.lives()
		if n > 1 {
			w.ends()
		}
	}
	if len(w.wrong) == 0 {
		w.checkDowntime()
		w.checkReport()
	}
}

// hostStarts begins another boot of a container's host.
func (w *world) hostStarts() {
	w.hostID++
	w.hostBoot = w.now.Add(-w.between(time.Minute, 100*24*time.Hour))
	w.slept = w.between(time.Second, 5*time.Hour)
	if w.chance(2) {
		w.slept = 0
	}
}

// up begins a boot.
func (w *world) up() {
	b := &trueBoot{id: fmt.Sprint("boot-", len(w.past)), from: w.now}
	w.lab.init = time.Second
	switch {
	case !w.contained:
		w.slept = 0
	case len(w.past) > 0 && w.chance(4):
		w.hostStarts()
		w.count("the host of a container booted")
	case len(w.past) > 0:
		w.count("container started again under one kernel")
	}
	if w.contained {
		b.id = fmt.Sprint("host-", w.hostID)
		w.lab.init = w.now.Sub(w.hostBoot).Truncate(10 * time.Millisecond)
	}
	w.past = append(w.past, b)
	b.hurt = w.harm.next
	w.setClock()
	b.offs = append(b.offs, w.off)
	w.boot, w.utmpd, w.noted = b.id, false, nil
	w.sync()
	_ = os.Remove(w.path("utmp"))
	w.tell("boot %d begins: %s", len(w.past)-1, b.id)
	w.loseFiles()
	w.begin(b)
}

// setClock sets the clock as the hardware has it.
func (w *world) setClock() {
	w.off = 0
	switch w.clocks {
	case clockLocal:
		w.off = time.Duration(w.rng.IntN(3)-1) * 2 * time.Hour
	case clockEpoch:
		w.off = time.Unix(2, 0).Sub(w.now)
	case clockFixed:
		w.off = time.Date(2023, 7, 10, 21, 44, 34, 0, time.UTC).Sub(w.now)
	case clockBehind:
		if w.chance(3) {
			w.off = -w.between(time.Minute, 1000*time.Hour)
		}
	case clockSaved:
		w.off = w.saved.Sub(w.now)
	case clockAhead:
		if w.chance(3) {
			w.off = w.between(time.Minute, 1000*time.Hour)
		}
	}
	if w.off != 0 {
		w.count("clock wrong at the start")
	}
	if w.off < -time.Minute && w.clocks > clocksInAll {
		w.count("clock behind, or at a fixed date")
	}
}

// sync makes the lab's clocks those of the world.
func (w *world) sync() {
	w.clock = w.wall()
	w.booted = w.wall().Add(-w.now.Sub(w.present().from))
}

// loseFiles is what happens to files between two boots.
func (w *world) loseFiles() {
	switch {
	case w.memory:
		w.log("in memory", nil, len(w.past)-1)
	case w.copied != nil && w.chance(6):
		w.log("an old copy", w.copied, w.copiedAt)
	case w.chance(25):
		w.log("lost", nil, len(w.past)-1)
	}
	if w.chance(25) {
		w.count("STATE_DIR lost")
		w.tell("STATE_DIR is lost")
		w.check(os.RemoveAll(w.path("state")))
		w.check(os.Mkdir(w.path("state"), 0o755))
		for _, b := range w.past {
			b.entered, b.toldNote, b.counted = false, false, false
		}
		w.noted = nil
	}
}

// log replaces the log by one that has only the first so many boots.
func (w *world) log(how string, with []byte, boots int) {
	w.count("log " + how)
	w.tell("the log is %s", how)
	rotated, _ := filepath.Glob(w.path("wtmp.*"))
	for _, name := range rotated {
		w.check(os.Remove(name))
	}
	w.write("wtmp", with)
	w.harm.renewed(len(with)/utmpx.Native().Size(), len(w.past)-1)
	w.accessed = time.Unix(0, 0)
	for i, b := range w.past {
		if with == nil || i >= boots {
			b.logged, b.gone = false, false
		}
		if with == nil || i >= boots-1 {
			b.toldLog = false
		}
	}
}

// passes lets time pass: utmpd's heart beats.
func (w *world) passes(d time.Duration) {
	w.now = w.now.Add(d)
	if w.utmpd {
		if n := w.now.Sub(w.beat) / w.every; n > 0 {
			later := w.now
			w.now = w.beat.Add(n * w.every)
			w.beats(heartbeat.Running)
			w.beat, w.now = w.now, later
		}
	}
	if w.now.Sub(w.present().from) > time.Hour {
		w.saved = w.wall().Truncate(time.Hour)
	}
	w.sync()
}

// beats leaves a note, as utmpd does.
func (w *world) beats(state heartbeat.State) {
	w.sync()
	n := heartbeat.Note{BootID: w.boot, Init: w.lab.init, Time: w.wall(), Up: w.kernel(), Slept: w.slept, Every: w.every, State: state}
	if w.noted != nil {
		n.Steps = w.noted.Steps
	}
	w.leaves(n)
}

func (w *world) leaves(n heartbeat.Note) {
	w.noted = &n
	w.present().counted = true
	w.accessed = n.Time
	w.check(heartbeat.WriteNote(filepath.Join(w.path("state"), heartbeat.NoteFile), n))
}

// kernel returns the kernel's count.
func (w *world) kernel() time.Duration { return w.lab.init + w.now.Sub(w.present().from) }

// records appends to the log, as other programs do.
func (w *world) records(recs ...utmpx.Record) {
	w.cutsTail()
	f, err := os.OpenFile(w.path("wtmp"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Write(encode(w.t, recs...))
	w.check(err)
	w.harm.wrote(len(recs), len(w.past)-1, len(w.past)-1)
	for _, r := range recs {
		w.tell("wtmp: %s", text(r))
	}
}

// record returns one of the system itself, of now.
func (w *world) record(typ utmpx.Type, user string) utmpx.Record {
	return utmpx.Record{Type: typ, Line: "~", ID: "~~", User: user, Host: "6.1.0", Time: utmpx.TimeOf(w.wall())}
}

// utmpctl runs a command.
func (w *world) utmpctl(args ...string) string {
	w.sync()
	size := len(w.read("wtmp")) // which moves its access time
	if _, err := os.Stat(w.path("wtmp")); err == nil {
		w.check(os.Chtimes(w.path("wtmp"), w.accessed, time.Time{}))
	}
	status, out, errs := w.try(args...)
	w.wroteBehind(size)
	if status != 0 && !(args[0] == "downtime" && w.harm.tells(errs)) {
		w.broken("5: utmpctl %v: status %d: %s", args, status, errs)
	}
	if args[0] != "downtime" {
		w.tell("utmpctl %v:\n%s%s%s%s", args, out, errs, w.read("state/boots"), w.read("state/boot"))
	}
	return out
}

func (w *world) broken(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	w.tell("LAW %s", w.wrong[len(w.wrong)-1])
}

// step sets the clock.
func (w *world) step(by time.Duration) {
	b := w.present()
	before := clock.Reading{Wall: w.wall(), Up: w.kernel()}
	w.off += by
	b.offs = append(b.offs, w.off)
	w.sync()
	w.tell("the clock is set by %v, utmpd runs: %v", by, w.utmpd)
	if by.Abs() < clock.Least {
		return
	}
	if !w.utmpd {
		w.count("clock set, not seen")
		b.unseen += by.Abs()
		b.counted = false
		return
	}
	w.noteStep(before)
}

// noteStep is what utmpd does about a step.
func (w *world) noteStep(before clock.Reading) {
	now := clock.Reading{Wall: w.wall(), Up: w.kernel()}
	s := now.Since(before)
	n := *w.noted
	n.Time, n.Up, n.Slept, n.State = w.wall(), w.kernel(), w.slept, heartbeat.Running
	n.Steps = append(n.Steps[max(0, len(n.Steps)-heartbeat.MaxSteps+1):len(n.Steps):len(n.Steps)], heartbeat.Step{Up: s.Up, By: s.By()})
	w.leaves(n)
	if w.contained {
		return
	}
	w.count("clock set, recorded")
	w.records(utmpx.Record{Type: utmpx.OldTime, Line: "|", User: "date", Time: utmpx.TimeOf(s.Old)},
		utmpx.Record{Type: utmpx.NewTime, Line: "{", User: "date", Time: utmpx.TimeOf(s.New)})
}

// exists reports whether a file is there.
func (w *world) exists(name string) bool {
	_, err := fs.Stat(os.DirFS(w.dir), name)
	return err == nil
}

func (w *world) String() string { return strings.Join(w.told, "\n") }
