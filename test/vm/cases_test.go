// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

// TestMachines runs every row of the matrix. A machine goes through six boots, and its
// log covers all of them.
func TestMachines(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name(), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			m := newMachine(t, r.system)
			m.sees(r)
			seen.describe(r, fmt.Sprintf("%s; run %s, in %d minutes", m.describe(r), began.UTC().Format("2006-01-02"), int(time.Since(began).Minutes())+1))
			m.kill()
			if m := seen.missing(r); len(m) > 0 {
				t.Errorf("not seen: %s", strings.Join(m, "; "))
			}
		})
	}
}

func (m *machine) sees(r row) {
	m.start()
	m.install(r)
	m.goesDown("shutdown -r now")

	m.init = r.init
	m.start()
	m.ready()
	seen.describe(r, m.describe(r))
	if r.silent() {
		seen.note(m.t, r, waits, "%s", m.gettys())
	}
	c := m.powerCut(m.sessionsStand(r), 10*time.Second)

	m.start()
	m.ready()
	seen.note(m.t, r, cutShort, "%s", m.told(c))
	m.sh("sed -i /^WTMPX_UPDATE_FREQ=/d /etc/default/utmpd")
	m.restart()
	c = m.powerCut(m.people(r), time.Minute)

	m.start()
	m.ready()
	seen.note(m.t, r, cutLong, "%s", m.told(c))
	// A STATE_DIR that is missing at the next boot takes the note with it.
	m.set("WTMPX_UPDATE_FREQ=10", "STATE_DIR=/run/utmpd")
	m.restart()
	c = m.powerCut(m.people(r), 10*time.Second)

	m.start()
	m.ready()
	seen.note(m.t, r, cutBare, "%s", m.told(c))
	m.sh("sed -i /^STATE_DIR=/d /etc/default/utmpd")
	m.restart()
	seen.note(m.t, r, clockSet, "%s", m.clockSet())
	slept, told := m.suspended()
	seen.note(m.t, r, sleep, "%s", told)
	there := m.people(r)
	m.beat()
	m.stands(there)
	asked := time.Now().Add(m.ahead.min)
	m.goesDown(r.shutdown())
	down := time.Now().Add(m.ahead.max)

	m.start()
	m.ready()
	seen.note(m.t, r, reboot, "%s", m.rebooted(asked, down, slept))
}

// install installs the package on the machine and sets what the cases need: the mount
// option of /var, from the next boot on, and a short heartbeat period.
func (m *machine) install(r row) {
	m.t.Helper()
	deb, err := os.ReadFile(host.deb)
	if err != nil {
		m.t.Fatal(err)
	}
	witness, err := os.ReadFile(host.judge + "/getutxent")
	if err != nil {
		m.t.Fatal(err)
	}
	m.put("/usr/local/bin/getutxent", 0o755, witness)
	m.put("/root/utmpd.deb", 0o644, deb)
	m.t.Logf("dpkg -i:\n%s", m.sh("DEBIAN_FRONTEND=noninteractive dpkg -i /root/utmpd.deb 2>&1"))
	m.set("WTMPX_UPDATE_FREQ=10")
	if r.root {
		m.sh("mount --bind / /mnt && cp -a /var/. /mnt/var && umount /mnt && sed -i '/ \\/var /d' /etc/fstab")
	} else {
		m.sh("sed -i 's/ext4 defaults/ext4 %s/' /etc/fstab", r.mount)
	}
	if r.init != "" {
		m.ownServices()
	}
	if r.silent() {
		m.offersScreen()
	}
	m.sh("sync")
}

// ownServices makes the agent and the getty of the serial line services of OpenRC, since
// its init reads no inittab.
func (m *machine) ownServices() {
	m.t.Helper()
	m.put("/etc/init.d/agent", 0o755, []byte("#!/sbin/openrc-run\nsupervisor=supervise-daemon\ncommand=/usr/local/sbin/agent\n"))
	m.sh("mkdir -p /etc/conf.d && printf 'baud=115200\nterm_type=vt100\nagetty_options=-L\n' >/etc/conf.d/agetty.ttyS1")
	m.sh("ln -s agetty /etc/init.d/agetty.ttyS1 && rc-update add agent default && rc-update add agetty.ttyS1 default")
}

// ready waits until the machine has booted and utmpd is running.
func (m *machine) ready() {
	m.t.Helper()
	m.until("utmpd", "grep -q '^last heartbeat: 2' /run/utmpd/status && pgrep -x sshd && test -e /run/utmp")
	if m.init != "" {
		// openrc-init records the boot once everything is started.
		for w := m.wait("the record of the boot"); !booted(m.records(wtmpFile)); w.pause() {
		}
	}
	if m.systemd() {
		// Report what failed, and leave the machine as it is.
		if r := m.try("systemctl is-system-running --wait", nil); r.Exit != 0 {
			m.t.Errorf("systemd: %s%s", r.Output, m.sh("systemctl --failed; systemctl status utmpd utmpd-boot utmpd-shutdown || true"))
		}
	}
}

func (m *machine) systemd() bool { return m.try("test -d /run/systemd/system", nil).Exit == 0 }

// restart makes the service manager restart utmpd with a new configuration.
func (m *machine) restart() {
	m.t.Helper()
	if m.systemd() {
		m.sh("systemctl restart utmpd || { journalctl -q -o cat -u utmpd | tail; false; }")
	} else {
		m.sh("/etc/init.d/utmpd restart")
	}
	m.ready()
}

// describe returns the machine's own description of itself.
func (m *machine) describe(r row) string {
	m.t.Helper()
	point, about := "/var", "/var mounted "
	if r.root {
		point, about = "/", "/var on the root file system, mounted "
	}
	options := m.sh("stat -c %%m /var && awk '$2 == \"%s\" && $3 == \"ext4\" { print $4 }' /proc/mounts", point)
	if on, options, _ := strings.Cut(options, "\n"); on != point || !strings.Contains(","+options+",", ","+r.mount+",") {
		m.t.Errorf("/var is on %s, mounted %s, not on %s, mounted %s", on, options, point, r.mount)
	}
	system := m.sh(`. /etc/os-release && echo "Debian $(cat /etc/debian_version)"`)
	return fmt.Sprintf("%s, Linux %s, %s, %s%s", system, m.sh("uname -r"), m.initSystem(r), about, r.mount)
}

// initSystem names the init that runs, and what it starts the services with.
func (m *machine) initSystem(r row) string {
	m.t.Helper()
	if m.systemd() {
		name := m.sh("systemctl --version | head -1")
		if !strings.Contains(m.sh("systemctl --version"), "+UTMP") {
			name += " without utmp"
		}
		return name
	}
	program := "init"
	if r.init != "" {
		program = path.Base(r.init)
	}
	if runs := m.sh("cat /proc/1/comm"); runs != program {
		m.t.Errorf("process 1 is %s, not %s", runs, program)
	}
	version := func(name string) string {
		return m.sh("dpkg-query -W -f '${Version}' %s 2>/dev/null || true", name)
	}
	switch openrc := version("openrc"); {
	case openrc == "":
		return "sysvinit " + version("sysvinit-core")
	case r.init == "":
		return "sysvinit " + version("sysvinit-core") + " with OpenRC " + openrc
	default:
		return program + " of OpenRC " + openrc
	}
}

// sessionsStand kills utmpd while users are logged in, then one of their sessions, and runs
// the programs that read utmp. It returns the living sessions.
func (m *machine) sessionsStand(r row) []utmpx.Record {
	m.t.Helper()
	there := m.people(r)
	victim := m.ssh()
	m.utmpdKilled(r, append(there, victim))
	seen.note(m.t, r, exit, "%s", m.exitOf(victim))
	m.stands(there)
	seen.note(m.t, r, readers, "%s", m.readers(there, victim))
	return there
}

// utmpdKilled checks that a killed utmpd comes back, restarted by the service manager or, if
// none watches it, by its script, and that no session is harmed.
func (m *machine) utmpdKilled(r row, sessions []utmpx.Record) {
	m.t.Helper()
	log := len(m.records(wtmpFile))
	pid := m.sh("cat /run/utmpd/utmpd.pid")
	m.sh("kill -9 %s", pid)
	by := "systemd restarted it"
	if !m.systemd() {
		m.until("utmpd's end", "! kill -0 "+pid)
		m.sh("/etc/init.d/utmpd start")
		by = "not restarted automatically; restarted by its script"
	}
	m.until("utmpd to come back", fmt.Sprintf("new=$(cat /run/utmpd/utmpd.pid) && test $new != %s && kill -0 $new && grep -q \"^pid: $new$\" /run/utmpd/status", pid))
	m.beat()
	m.stands(sessions)
	if now := m.records(wtmpFile); len(now) != log {
		m.t.Errorf("wtmp has grown:\n%s", list(now[log:]))
	}
	seen.note(m.t, r, killed, "%s; %d sessions still recorded", by, len(sessions))
}

// exitLogged matches the exit in the log line of a session that ended.
var exitLogged = regexp.MustCompile(`exit=("[^"]*"|\S+)`)

// exitOf kills a session so that it cannot log out and returns the exit that utmpd logs.
// These kernels do not report it with PIDFD_GET_INFO.
func (m *machine) exitOf(s utmpx.Record) string {
	m.t.Helper()
	m.murder(s)
	var dead utmpx.Record
	for w := m.wait("the record of the killed session to be marked"); dead.Type == 0; w.pause() {
		for _, r := range m.records(utmpFile) {
			if r.Type == utmpx.DeadProcess && r.ID == s.ID && r.Line == s.Line {
				dead = r
			}
		}
	}
	log := m.until("the log's line", loggedLines+`grep 'session ended.*pid=`+fmt.Sprint(s.PID)+`'`)
	found := exitLogged.FindStringSubmatch(log)
	if found == nil {
		m.t.Fatalf("no exit in the log: %s", log)
	}
	said := strings.Trim(found[1], `"`)
	if said != "unknown" && said != "signal KILL" {
		m.t.Errorf("killed by SIGKILL, the log says %q: %s", said, log)
	}
	logouts := 0
	for _, r := range m.records(wtmpFile) {
		if r.Type == utmpx.DeadProcess && r.Line == s.Line && !r.Time.Time().Before(s.Time.Time()) {
			logouts++
		}
	}
	if logouts != 1 {
		m.t.Errorf("%d logouts of the killed session in wtmp:\n%s", logouts, list(m.records(wtmpFile)))
	}
	m.t.Log(log)
	return fmt.Sprintf("%q; record marked, one logout", said)
}

// rebooted checks the records of a controlled reboot, of a boot with a suspend, and
// describes them.
func (m *machine) rebooted(asked, down time.Time, slept time.Duration) string {
	m.t.Helper()
	rs := m.records(wtmpFile)
	ended, present, err := lastBoot(rs)
	if err != nil {
		m.t.Fatalf("%v:\n%s", err, list(rs))
	}
	m.t.Logf("wtmp:\n%s", list(append(ended, present...)))
	p := m.downtime()
	if p.End != "shut down" {
		m.t.Errorf("utmpctl downtime says %q of a controlled reboot:\n%s", p.End, list(rs))
	}
	if p.To.Before(asked.Add(-slack)) || p.To.After(down.Add(slack)) {
		m.t.Errorf("the machine went down between %s and %s; utmpctl downtime says %s", asked.UTC(), down.UTC(), p.To.UTC())
	}
	m.suspendedFor(p, slept)
	m.runs(0)
	m.ends(ended, p.To, nil)
	m.oneBoot(present)
	// Only ssh's terminals: on a getty's, sysvinit itself records the end twice.
	logouts := make(map[string]int)
	for _, r := range ended {
		switch {
		case r.Type == utmpx.UserProcess:
			logouts[r.Line] = 0
		case r.Type == utmpx.DeadProcess && strings.HasPrefix(r.Line, "pts/"):
			logouts[r.Line]++
		}
	}
	for line, n := range logouts {
		if n > 1 {
			m.t.Errorf("%d logouts of %s:\n%s", n, line, list(ended))
		}
	}
	if out := m.last(); negative.MatchString(out) || strings.Contains(out, "- crash") {
		m.t.Errorf("last -x:\n%s", out)
	}
	return "no crash recorded; one shutdown, one boot, no session ended twice"
}
