// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

//go:embed testdata/week.py
var people []byte

// weekly is the system that lives through the week.
const weekly = "debian13-systemd"

// monday is when the week begins.
var monday = time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)

// on returns a time of the week: "Tue 09:30".
func on(s string) time.Time {
	day, clock, _ := strings.Cut(s, " ")
	t, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	days := strings.Index("MonTueWedThuFriSatSun", day) / 3
	return monday.AddDate(0, 0, days).Add(t.Sub(t.Truncate(24 * time.Hour)))
}

// visit is a session that somebody plans.
type visit struct {
	user, how string // the address that ssh comes from, or serial, or screen
	at        string
	lasts     time.Duration
	killed    bool
	end       string // what utmpctl says of it: utmpd, if all was killed, and on the serial line
}

const (
	desk   = "192.0.2.11"
	laptop = "192.0.2.23"
	away   = "198.51.100.7"
)

// visits are those of the week. What the machine is off for does not take place.
var visits = []visit{
	{"alice", desk, "Mon 08:02", 8*time.Hour + 40*time.Minute, false, "logout"},
	{"bob", laptop, "Mon 09:15", 45 * time.Minute, false, "logout"},
	{"bob", laptop, "Mon 13:05", 3 * time.Hour, true, "utmpd"},
	{"carol", away, "Mon 21:40", 70 * time.Minute, false, "logout"},
	{"alice", desk, "Tue 07:55", 0, false, "crash"},
	{"alice", "screen", "Tue 09:30", 0, false, "crash"},
	{"bob", laptop, "Tue 10:10", 2 * time.Hour, false, "logout"},
	{"carol", "serial", "Tue 14:00", 0, false, "crash"},
	{"bob", laptop, "Tue 15:05", 7 * time.Minute, false, ""}, // the machine is off
	{"alice", desk, "Wed 08:10", 8 * time.Hour, false, "logout"},
	{"bob", laptop, "Wed 09:00", 3*time.Hour + 30*time.Minute, false, "logout"},
	{"carol", "serial", "Wed 10:30", 25 * time.Minute, false, "utmpd"},
	{"carol", away, "Wed 21:45", time.Hour, false, "logout"},
	{"alice", desk, "Thu 08:00", 9*time.Hour + 10*time.Minute, false, "logout"},
	{"bob", laptop, "Thu 09:30", 5 * time.Hour, true, "utmpd"},
	{"carol", "serial", "Thu 11:00", 40 * time.Minute, true, "utmpd"},
	{"carol", away, "Thu 23:10", 2 * time.Hour, false, "logout"},
	{"alice", desk, "Fri 08:20", 7 * time.Hour, false, "logout"},
	{"bob", laptop, "Fri 10:00", 90 * time.Minute, false, "logout"},
	{"carol", away, "Fri 20:30", 0, false, "logout"},
	{"carol", away, "Sat 15:00", 35 * time.Minute, false, "logout"},
	{"bob", laptop, "Sun 11:00", 20 * time.Minute, false, "logout"},
	{"alice", desk, "Sun 19:00", 0, false, "still-on"},
}

// The week's other events.
var (
	powerFails = on("Tue 14:20")
	powerBack  = on("Tue 15:30")
	clockWrong = on("Thu 18:00") // it is set by setBy
	goesDown   = on("Fri 22:00")
	weekOver   = on("Sun 23:30")
)

const setBy = -7 * time.Minute

// TestWeek has a machine live a week of its own time: while all sleep in it, its clock goes
// on to the next timer at once. Its log is kept, for the tests of its report, where
// UTMPD_TEST_WEEK says.
func TestWeek(t *testing.T) {
	t.Parallel()
	r := row{system: weekly, mount: "relatime"}
	m := newMachine(t, r.system)
	began := time.Now()
	m.rtc = monday.Add(-14 * time.Hour)
	m.start()
	m.install(r)
	m.prepareWeek()
	m.rtc = m.now().Add(2 * time.Hour) // the disk is slow: it goes down after an hour
	m.goesDown("shutdown -r now")

	m.weekBoot()
	m.lives(on("Tue 09:30"))
	m.sh("chrt -i 0 sh -c 'while :; do :; done' >/dev/null 2>&1 </dev/null & echo $! >/run/busy")
	m.login("tty1")
	m.sh("kill $(cat /run/busy)")
	m.lives(powerFails)
	m.kill()

	m.rtc = powerBack
	m.weekBoot()
	m.lives(clockWrong)
	log := len(m.records(wtmpFile))
	m.sh("date -s '%+d seconds'", int(setBy.Seconds()))
	for w := m.wait("the records of the step"); len(m.records(wtmpFile)) == log; w.pause() {
	}
	m.lives(goesDown)
	m.goesDown("shutdown -r now")

	m.rtc = goesDown.Add(2 * time.Hour)
	m.weekBoot()
	m.lives(weekOver)
	t.Logf("the week took %s", time.Since(began).Round(time.Second))
	m.keepWeek()
	m.weekTold()
}

// prepareWeek adds the other people, and what they do.
func (m *machine) prepareWeek() {
	m.t.Helper()
	m.sh("sed -i /^WTMPX_UPDATE_FREQ=/d /etc/default/utmpd")
	m.sh(`for u in bob carol; do
		useradd -m -s /bin/sh $u && echo $u:$u | chpasswd && touch /home/$u/.hushlogin &&
		cp -r /home/alice/.ssh /home/$u && chown -R $u: /home/$u || exit; done`)
	// The kernel's own timers cost most of the time in which nothing happens.
	m.put("/etc/sysctl.d/week.conf", 0o644, []byte("vm.compaction_proactiveness=0\nvm.stat_interval=3600\n"))
	m.sh("sync")
}

// weekBoot starts the machine and sends for the people.
func (m *machine) weekBoot() {
	m.t.Helper()
	m.start()
	m.ready()
	m.sh("for a in %s %s %s; do ip address add $a/32 dev lo || exit; done", desk, laptop, away)
	m.putPlan()
	m.sh("systemd-run --quiet --unit=week --setenv=HOME=/root --setenv=PATH=/usr/sbin:/usr/bin python3 /root/week.py /root/plan")
}

// lives lets the machine live until a time of its own.
func (m *machine) lives(to time.Time) {
	m.t.Helper()
	began := time.Now()
	for {
		now := m.now()
		left := to.Sub(now)
		if left <= 0 {
			break
		}
		m.sh("sleep %d", int(min(left, 6*time.Hour).Seconds())+1)
		m.t.Logf("it is %s in the machine, %s later", m.now().UTC().Format("Mon 15:04:05"), time.Since(began).Round(time.Second))
	}
	m.t.Logf("%s", m.sh("journalctl -q -b -o cat -u week | tail -60; systemctl is-active week || true"))
	if m.try("! journalctl -q -b -o cat -u week | grep -q Traceback", nil).Exit != 0 {
		m.t.Errorf("somebody did not come or leave")
	}
}

// keepWeek writes the machine's log to a file, compressed.
func (m *machine) keepWeek() {
	m.t.Helper()
	name := os.Getenv("UTMPD_TEST_WEEK")
	if name == "" {
		return
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(decode64(m.t, m.sh("base64 -w0 %s", wtmpFile))); err != nil {
		m.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// told is a session in the output of `utmpctl last -json`.
type told struct {
	User, Line string
	From       time.Time
	Least      time.Time `json:"to_least"`
	Most       time.Time `json:"to_most"`
	EndedBy    string    `json:"ended_by"`
}

// weekTold holds that utmpctl tells the week as it was planned: who came when, for how long,
// and what ended it. In the machine a login takes minutes.
func (m *machine) weekTold() {
	m.t.Helper()
	const span = " -since '2026-11-16' -until '2026-11-23'"
	m.t.Logf("utmpctl report:\n%s", m.sh("utmpctl report%s", span))
	m.t.Logf("utmpctl downtime:\n%s", m.sh("utmpctl downtime"))
	var all []told
	for line := range strings.Lines(m.sh("utmpctl last -json%s", span)) {
		var s told
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			m.t.Fatalf("%v: %s", err, line)
		}
		all = append(all, s)
	}
	const late = 15 * time.Minute
	near := func(t, planned time.Time) bool { return !t.Before(planned) && t.Before(planned.Add(late)) }
	came := 0
	for _, v := range visits {
		at := on(v.at)
		i := slices.IndexFunc(all, func(s told) bool { return s.User == v.user && near(s.From, at) && v.isOn(s.Line) })
		if i < 0 || v.end == "" {
			if i >= 0 || v.end != "" {
				m.t.Errorf("%+v: came: %v", v, i >= 0)
			}
			continue
		}
		came++
		s, ended := all[i], at.Add(v.lasts)
		right := near(s.Least, ended)
		switch v.end {
		case "crash": // known by the last heartbeat, a minute before at most
			right = s.Least.After(powerFails.Add(-2*time.Minute)) && s.Least.Before(powerFails.Add(late))
		case "logout":
			right = right || v.lasts == 0 && near(s.Least, goesDown) // by sshd, at the reboot
		case "still-on":
			right = true
		}
		if s.EndedBy != v.end || !right {
			m.t.Errorf("%+v: %+v", v, s)
		}
	}
	if came != len(all) || came != len(visits)-1 {
		m.t.Errorf("%d sessions, %d planned, %d of them found:\n%s", len(all), len(visits), came, m.sh("utmpctl last"))
	}
	boots := m.boots()
	var ends []string
	for _, b := range boots[max(0, len(boots)-3):] {
		ends = append(ends, b.End)
	}
	if got := strings.Join(ends, ", "); got != "crashed, shut down, running" {
		m.t.Errorf("the boots of the week: %s", got)
	}
}

// isOn reports whether the visit was to be on such a line.
func (v visit) isOn(line string) bool {
	switch v.how {
	case "serial":
		return line == "ttyS1"
	case "screen":
		return line == "tty1"
	}
	return strings.HasPrefix(line, "pts/")
}

// putPlan tells the people when to come.
func (m *machine) putPlan() {
	m.t.Helper()
	type planned struct {
		At, For         int64
		User, How, From string
		Kill            bool
	}
	var plan []planned
	for _, v := range visits {
		if v.how != "screen" {
			plan = append(plan, planned{on(v.at).Unix(), int64(v.lasts.Seconds()), v.user, v.how, v.how, v.killed})
		}
	}
	b, err := json.Marshal(plan)
	if err != nil {
		m.t.Fatal(err)
	}
	m.put("/root/plan", 0o600, b)
	m.put("/root/week.py", 0o700, people)
}
