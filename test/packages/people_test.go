// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"utmpd.dev/utmpd/utmpx"
)

// scene is something that people do on a machine.
type scene struct {
	name   string
	users  []string // who may be shown
	shells []string // of which each has a terminal that is a session's
	lines  []string // further lines that are right, as USER LINE
	inner  []string // shells of which a program within writes a record in utmp alone
	wrote  []string // shells of which a program within writes both records, in Debian 12
	only13 bool     // Debian 13 alone has the programs
}

// scenes are what is on the machine at the beginning.
var scenes = []scene{
	{name: "one login by ssh", users: []string{"one"}, shells: []string{"one"}},
	{name: "three logins of one user by ssh", users: []string{"three"}, shells: []string{"three1", "three2", "three3"}},
	{name: "two terminals in one connection of ssh", users: []string{"mux"}, shells: []string{"mux1", "mux2"}},
	{name: "ssh without a terminal", users: []string{"bare"}},
	{name: "`ssh host script`", users: []string{"scripted"}},
	{name: "root by ssh", users: []string{"root"}, shells: []string{"rooted"}},
	{name: "`su -` in a session", users: []string{"sued"}},
	{name: "`sudo` in a session", users: []string{"sudoer", "sudone"}, shells: []string{"sudoer"}, inner: []string{"sudone"}},
	{name: "cron", users: []string{"crony"}},
	{name: "tmux in a session", users: []string{"tmuxer"}, shells: []string{"tmuxer"}, wrote: []string{"tmuxed"}},
	{name: "screen in a session", users: []string{"screener"}, shells: []string{"screener"}, wrote: []string{"screened"}},
	{name: "a serial line", users: []string{"serial"}, shells: []string{"ttyS7"}},
	{name: "a virtual terminal", users: []string{"virtual"}, shells: []string{"tty9"}},
	{name: "lightdm", users: []string{"gui"}, lines: []string{"gui tty7"}, only13: true},
}

// readers are the programs whose answers must be right, as guest/readers.py names them.
// others are shown beside them.
var (
	readers = []string{"getutxent", "who-utmp", "busybox", "psutil", "finger", "utmpctl-who", "utmpctl-last"}
	others  = []string{"who", "w", "wtmpdb"}
)

// town is a running machine with people on it.
type town struct {
	*boot
	is13  bool
	mute  bool              // nobody in a session by ssh can write utmp
	gui   bool              // lightdm runs
	tty   map[string]string // of a shell, without /dev/
	owner map[string]string // the user of a shell
}

const people = "/usr/local/bin/people.sh"

// settle prepares a machine for people, and boots it. With mute, sshd cannot record
// anything, as where it is built without utmp, and utmpd records no hosts.
func settle(t *testing.T, root string, mute bool, settings ...string) *town {
	m := newMachine(t, root)
	for _, name := range []string{"people.sh", "line.py", "readers.py", "intruder.sh"} {
		m.write("/usr/local/bin/"+name, readFile(t, "guest/"+name), 0o755)
	}
	town := &town{is13: root == people13, mute: mute, tty: map[string]string{}, owner: map[string]string{}}
	m.sh(`systemctl mask systemd-firstboot.service systemd-networkd.service systemd-networkd.socket getty@.service autovt@.service lightdm.service >/dev/null 2>&1
		systemctl set-default -q multi-user.target
		rm -f /var/log/wtmp
		echo 127.0.0.1 localhost >>/etc/hosts
		mkdir -p /etc/systemd/logind.conf.d
		printf '[Login]\nNAutoVTs=0\nReserveVT=0\n' >/etc/systemd/logind.conf.d/vt.conf
		printf '@reboot crony sleep infinity\n' >/etc/cron.d/people
		printf 'sudoer ALL=(ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/people
		printf 'Host *\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n' >/root/.ssh/config
		printf 'MaxStartups 100\nPerSourcePenalties no\n' >/etc/ssh/sshd_config.d/people.conf`)
	if !town.is13 {
		m.sh("echo MaxStartups 100 >/etc/ssh/sshd_config.d/people.conf")
	}
	if mute {
		m.write("/etc/systemd/system/ssh.service.d/mute.conf", []byte("[Service]\nBindPaths=/srv/void-utmp:/run/utmp /srv/void-wtmp:/var/log/wtmp\n"), 0o644)
		m.sh(": >/srv/void-utmp; : >/srv/void-wtmp")
	}
	for _, s := range scenes {
		for _, user := range s.users {
			if user != "root" {
				m.sh(fmt.Sprintf("useradd -m -s /bin/bash %s; cp -r /root/.ssh /home/%[1]s; chown -R %[1]s: /home/%[1]s", user))
			}
		}
		for _, shell := range s.shells {
			town.owner[shell] = s.users[0]
		}
	}
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	for _, line := range settings {
		m.sh("echo " + line + " >>/etc/default/utmpd")
	}
	town.boot = m.start()
	town.waitFor("utmpd to know logind", "grep -q '^logind: .*answers' /run/utmpd/status || journalctl -b -o cat -u utmpd | grep -q 'logind answers'")
	return town
}

// arrive has everybody of the scenes log in, and waits until they have.
func (o *town) arrive() {
	o.m.t.Helper()
	// logind has virtual terminals if this name is there.
	o.sh("touch /dev/tty0; systemctl restart systemd-logind")
	var script strings.Builder
	on := func(name, command string) { fmt.Fprintf(&script, "%s on %s %s\n", people, name, command) }
	for _, user := range []string{"one", "sudoer", "tmuxer", "screener"} {
		on(user, "ssh -tt "+user+"@localhost")
	}
	for _, shell := range []string{"three1", "three2", "three3"} {
		on(shell, "ssh -tt three@localhost")
	}
	on("mux1", "ssh -tt -M -S /root/mux mux@localhost")
	on("rooted", "ssh -tt root@localhost")
	on("bare", "ssh -T bare@localhost")
	on("scripted", "ssh -T scripted@localhost script -q -c bash /dev/null")
	on("ttyS7", "python3 /usr/local/bin/line.py ttyS7 serial")
	on("tty9", "python3 /usr/local/bin/line.py tty9 virtual")
	o.sh(script.String())
	for _, shell := range slices.Sorted(maps.Keys(o.owner)) {
		if shell == "mux2" {
			o.sh(people + " on mux2 ssh -tt -S /root/mux mux@localhost")
		}
		o.shell(shell, shell, o.owner[shell], "")
	}
	o.shell("bare", "bare", "bare", "")
	o.shell("scripted", "scripted", "scripted", "")
	o.sh(people + " say rooted 'su - sued'; " + people + " say sudoer 'sudo -u sudone bash'; " +
		people + " say tmuxer 'tmux'; " + people + " say screener 'screen bash'")
	o.shell("rooted", "sued", "sued", "")
	o.shell("tmuxer", "tmuxed", "tmuxer", o.tty["tmuxer"])
	o.shell("screener", "screened", "screener", o.tty["screener"])
	o.shell("sudoer", "sudone", "sudone", "")
	o.waitFor("cron", "pgrep -u crony sleep")
	if o.is13 {
		o.lightdm()
	}
}

// shell waits for a shell that reads what name types.
func (o *town) shell(name, shell, user, but string) {
	o.m.t.Helper()
	o.sh(fmt.Sprintf("%s shell %s %s %s %s", people, name, shell, user, but))
	o.tty[shell] = o.sh(people + " tty " + shell)
}

// lightdm logs gui in on an X server without a screen.
func (o *town) lightdm() {
	o.m.t.Helper()
	o.gui = true
	o.sh(`cat >/usr/local/bin/dummy-x <<'X'
#!/bin/sh
# lightdm's arguments are Xorg's.
display=$1
while [ "$1" != -auth ]; do shift; done
exec Xvfb $display -screen 0 640x480x8 -nolisten tcp -auth $2
X
		printf '#!/bin/sh\nexec $*\n' >/usr/local/bin/x-session
		chmod 755 /usr/local/bin/dummy-x /usr/local/bin/x-session
		mkdir -p /etc/lightdm/lightdm.conf.d /usr/share/xsessions /var/lib/lightdm/data
		cat >/etc/lightdm/lightdm.conf.d/people.conf <<'C'
[LightDM]
logind-check-graphical=false
[Seat:*]
xserver-command=/usr/local/bin/dummy-x
autologin-user=gui
autologin-session=plain
session-wrapper=/usr/local/bin/x-session
C
		touch /dev/tty7 # finger ends where a terminal is missing
		printf '[Desktop Entry]\nName=plain\nExec=sleep infinity\nType=Application\n' >/usr/share/xsessions/plain.desktop
		systemd-run -q --unit=on-lightdm lightdm`)
	o.waitFor("lightdm's session", "pgrep -u gui sleep && loginctl --no-legend list-sessions | grep -q 'gui *seat0'")
}

// seen returns what each reader says, as USER LINE.
func (o *town) seen() map[string][]string {
	o.m.t.Helper()
	all := map[string][]string{}
	for line := range strings.Lines(o.sh("cd /; python3 /usr/local/bin/readers.py")) {
		reader, session, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[reader] = append(all[reader], session)
	}
	for _, sessions := range all {
		slices.Sort(sessions)
	}
	return all
}

// want returns what is right for a scene, as long as these shells are on.
func (o *town) want(s scene, reader string, on []string) []string {
	want := slices.Clone(s.lines)
	var within []string
	if reads := slices.Contains(readers, reader) || !o.is13 && reader != "wtmpdb"; !o.mute && len(on) > 0 && reads && reader != "utmpctl-last" {
		within = s.inner
	}
	if !o.is13 && len(on) > 0 {
		within = slices.Concat(within, s.wrote)
	}
	for _, shell := range within {
		want = append(want, s.users[0]+" "+o.tty[shell])
	}
	for _, shell := range s.shells {
		if slices.Contains(on, shell) {
			want = append(want, o.owner[shell]+" "+o.tty[shell])
		}
	}
	slices.Sort(want)
	return want
}

// of leaves what a reader says of a scene's users.
func of(s scene, sessions []string) []string {
	return slices.DeleteFunc(slices.Clone(sessions), func(it string) bool {
		user, _, _ := strings.Cut(it, " ")
		return !slices.Contains(s.users, user)
	})
}

// table compares all readers with what is right. It waits for that, and then checks that
// it stays.
func (o *town) table(when string, scenes []scene, on []string) string {
	o.m.t.Helper()
	var seen map[string][]string
	wrong := func() (all []string) {
		seen = o.seen()
		for _, s := range scenes {
			for _, reader := range readers {
				if got, want := of(s, seen[reader]), o.want(s, reader, on); !slices.Equal(got, want) {
					all = append(all, fmt.Sprintf("%s: %s: %s shows %q, want %q", when, s.name, reader, got, want))
				}
			}
		}
		return all
	}
	var found []string
	for range 40 {
		if found = wrong(); len(found) == 0 {
			break
		}
		o.sh("sleep 0.5")
	}
	for _, w := range found {
		o.m.t.Error(w)
	}
	if len(found) > 0 {
		o.m.t.Logf("%s\n%s", o.sh("utmpctl who -v; ps -eo pid,ppid,sid,tty,user,args"), o.sh("journalctl -b -o short-monotonic --no-pager -u utmpd | tail -30"))
	}
	return o.markdown(scenes, on, seen)
}

func (o *town) markdown(scenes []scene, on []string, seen map[string][]string) string {
	columns := append(slices.Clone(readers), others...)
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+1))
	for _, s := range scenes {
		fmt.Fprintf(&b, "| %s |", s.name)
		for _, reader := range columns {
			switch got, want := of(s, seen[reader]), o.want(s, reader, on); {
			case slices.Equal(got, want):
				b.WriteString(" right |")
			default:
				fmt.Fprintf(&b, " **%d of %d** |", len(got), len(want))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// closed returns the logins of each user and terminal in a log, with how often each was
// closed.
func (o *town) closed(name string) map[string][]int {
	o.m.t.Helper()
	layout := utmpx.Native()
	all := map[string][]int{}
	open := map[string]string{}
	text := string(readFile(o.m.t, name))
	for ; len(text) >= layout.Size(); text = text[layout.Size():] {
		switch r := layout.Decode(text[:layout.Size()]); r.Type {
		case utmpx.BootTime:
			clear(open)
		case utmpx.UserProcess:
			key := r.User + " " + r.Line
			all[key] = append(all[key], 0)
			open[r.Line] = key
		case utmpx.DeadProcess:
			if key, ok := open[r.Line]; ok {
				all[key][len(all[key])-1]++
			} else if r.Line != "" { // of a script of sysvinit's
				o.m.t.Errorf("a logout of nobody on %s: %+v", r.Line, r)
			}
		}
	}
	return all
}
