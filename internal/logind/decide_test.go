// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"utmpd.dev/utmpd/internal/session"
	"utmpd.dev/utmpd/utmpx"
)

// began is when the sessions of these tests began, and at a moment later.
var began = time.Unix(1_800_000_000, 123_456_000)

func at(d time.Duration) time.Time { return began.Add(d) }

// ssh is an ssh session, seat one on a seat, both with the leader 100.
func ssh(change ...func(s *Session)) Session {
	s := Session{ID: "1", Path: "/1", User: "alice", Leader: 100, Since: began, RemoteHost: "192.0.2.7", Service: "sshd", Class: "user", State: "active", Scope: "session-1.scope"}
	for _, c := range change {
		c(&s)
	}
	return s
}

func seat(change ...func(s *Session)) Session {
	return ssh(append([]func(s *Session){func(s *Session) {
		s.Seat, s.VT, s.TTY, s.Service, s.RemoteHost = "seat0", 1, "tty1", "login", ""
	}}, change...)...)
}

func gdm(change ...func(s *Session)) Session {
	return seat(append([]func(s *Session){func(s *Session) { s.VT, s.TTY, s.Service, s.Display = 2, "", "gdm-password", ":0" }}, change...)...)
}

func numbered(id string, leader int32) func(s *Session) {
	return func(s *Session) { s.ID, s.Path, s.Leader = id, "/"+id, leader }
}

// shell is a terminal with the shell of an ssh session: sshd's process of the user is in
// between.
func shell(line string, pid, sshd int32) Terminal {
	return Terminal{Line: line, Leader: pid, Since: at(time.Second), Above: []Process{{pid - 1, true}, {sshd, true}, {1, false}}}
}

func record(typ utmpx.Type, pid int32, line, id string, change ...func(r *utmpx.Record)) utmpx.Record {
	r := utmpx.Record{Type: typ, PID: pid, Line: line, ID: id, Time: utmpx.TimeOf(at(time.Second))}
	if typ == utmpx.UserProcess {
		r.User = "alice"
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

// user is a USER_PROCESS record as the bridge writes it for an ssh session.
func user(pid int32, line, id string) utmpx.Record {
	r := utmpx.Record{Type: utmpx.UserProcess, PID: pid, Line: line, ID: id, User: "alice", Host: "192.0.2.7", Time: utmpx.TimeOf(began)}
	r.SetIP(netip.MustParseAddr("192.0.2.7"))
	return r
}

// scene returns a scene two seconds after the sessions began, with their leaders alive.
func scene(sessions []Session, terminals []Terminal, records ...utmpx.Record) Scene {
	s := Scene{Now: at(2 * time.Second), View: View{Known: true, Sessions: sessions}, Living: map[Session]bool{}, Terminals: terminals, Records: records, OpenKnown: true}
	for _, it := range sessions {
		s.Living[it] = true
	}
	return s
}

// wrote returns what would be written, as one text a record: slot 3: 100 pts/0 ts/0.
func wrote(orders []Order) (lines []string) {
	for _, o := range orders {
		switch o.Kind {
		case Write:
			lines = append(lines, strings.TrimSpace("write "+o.Record.Line+" "+o.Record.ID))
		case TakeOver:
			lines = append(lines, "take "+o.Was.Line+" as "+o.Record.Line+" "+o.Record.ID)
		case Withdraw:
			lines = append(lines, "withdraw "+o.Was.Line)
		case End:
			lines = append(lines, "end "+o.Was.Line)
		}
	}
	return lines
}

func TestWhichSessionsAndTerminals(t *testing.T) {
	one := func(s Session) []Session { return []Session{s} }
	sudo := Terminal{Line: "pts/1", Leader: 130, Above: []Process{{129, false}, {102, false}, {101, true}, {100, true}}}
	for _, c := range []struct {
		name      string
		sessions  []Session
		terminals []Terminal
		want      []string
	}{
		{"ssh", one(ssh()), []Terminal{shell("pts/0", 102, 100)}, []string{"write pts/0 ts/0"}},
		{"ssh of a user, whose shell is sshd yet", one(ssh()), []Terminal{{Line: "pts/0", Leader: 102, Begins: true, Above: []Process{{101, true}, {100, true}}}}, []string{"write pts/0 ts/0"}},
		{"ssh of root, whose shell is sshd yet", one(ssh()), []Terminal{{Line: "pts/0", Leader: 101, Begins: true, Above: []Process{{100, true}, {1, true}}}}, nil},
		{"ssh of root, whose shell is sshd's child", one(ssh()), []Terminal{{Line: "pts/0", Leader: 101, Above: []Process{{100, true}, {1, true}}}}, []string{"write pts/0 ts/0"}},
		{"three ssh logins of one user", []Session{ssh(), ssh(numbered("2", 200)), ssh(numbered("3", 300))},
			[]Terminal{shell("pts/0", 102, 100), shell("pts/1", 202, 200), shell("pts/2", 302, 300)}, []string{"write pts/0 ts/0", "write pts/1 ts/1", "write pts/2 ts/2"}},
		{"one connection with two terminals", one(ssh()), []Terminal{shell("pts/0", 102, 100), shell("pts/1", 112, 100)}, []string{"write pts/0 ts/0", "write pts/1 ts/1"}},
		{"one connection with two terminals, one of which logind has learned from a record", one(ssh(func(s *Session) { s.TTY = "pts/0" })),
			[]Terminal{shell("pts/0", 102, 100), shell("pts/1", 112, 100)}, []string{"write pts/0 ts/0", "write pts/1 ts/1"}},
		{"ssh without a terminal", one(ssh()), nil, nil},
		{"ssh whose terminal logind remembers", one(ssh(func(s *Session) { s.TTY = "pts/0" })), nil, nil},
		{"somebody else's terminal", one(ssh()), []Terminal{shell("pts/0", 202, 200)}, nil},
		{"sudo in it, with a terminal of its own", one(ssh()), []Terminal{shell("pts/0", 102, 100), sudo}, []string{"write pts/0 ts/0"}},
		{"script in the place of root's shell", one(ssh()), []Terminal{{Line: "pts/0", Leader: 101, Above: []Process{{100, true}}}, {Line: "pts/1", Leader: 102, Above: []Process{{101, false}, {100, true}}}}, []string{"write pts/0 ts/0"}},
		{"screen in it", one(ssh()), []Terminal{shell("pts/0", 102, 100), {Line: "pts/2", Leader: 150, Above: []Process{{149, false}, {148, false}, {102, false}, {101, true}, {100, true}}}}, []string{"write pts/0 ts/0"}},
		{"tmux in it, whose server is init's child", one(ssh()), []Terminal{shell("pts/0", 102, 100), {Line: "pts/2", Leader: 150, Above: []Process{{149, false}, {1, false}}}}, []string{"write pts/0 ts/0"}},
		{"script without a terminal", one(ssh()), []Terminal{{Line: "pts/0", Leader: 104, Above: []Process{{103, false}, {101, true}, {100, true}}}}, nil},
		{"root's script without a terminal, as in Debian 12", one(ssh()), []Terminal{{Line: "pts/0", Leader: 104, Above: []Process{{103, false}, {100, true}, {1, true}}}}, nil},
		{"cockpit, whose bridge has a terminal", one(ssh(func(s *Session) { s.Service, s.TTY = "cockpit", "web console" })), []Terminal{{Line: "pts/0", Leader: 104, Above: []Process{{103, false}, {100, false}}}}, nil},
		{"cockpit without a name for a terminal", one(ssh(func(s *Session) { s.Service = "cockpit" })), []Terminal{{Line: "pts/0", Leader: 104, Above: []Process{{103, false}, {100, false}}}}, nil},
		{"a service's word for a terminal, which is no device", one(seat(func(s *Session) { s.Seat, s.VT, s.TTY, s.Service = "", 0, "ftp", "vsftpd" })), nil, nil},
		{"a leader that is dead", one(ssh(numbered("1", -1))), []Terminal{shell("pts/0", 102, -1)}, nil},
		{"a virtual terminal", one(seat()), nil, []string{"write tty1 1"}},
		{"a serial line", one(seat(func(s *Session) { s.Seat, s.VT, s.TTY = "", 0, "ttyS0" })), nil, []string{"write ttyS0 S0"}},
		{"getty on a pseudo terminal", one(seat(func(s *Session) { s.Seat, s.VT, s.TTY = "", 0, "pts/12" })), nil, []string{"write pts/12 s/12"}},
		{"a virtual terminal that is no device here, as in a container with the machine's bus", one(gdm(func(s *Session) { s.VT, s.Since = 50, at(-time.Minute) })), nil, nil},
		{"a word for a virtual terminal's name", one(gdm(func(s *Session) { s.TTY, s.Since = "ftp", at(-time.Minute) })), nil, []string{"write tty2 2"}},
		{"a device's name", one(seat(func(s *Session) { s.TTY = "/dev/tty1" })), nil, []string{"write tty1 1"}},
		{"a display manager's virtual terminal", one(gdm(func(s *Session) { s.Since = at(-time.Minute) })), nil, []string{"write tty2 2"}},
		{"a seat without terminals", one(gdm(func(s *Session) { s.VT, s.Since = 0, at(-time.Minute) })), []Terminal{shell("pts/0", 102, 100)}, nil},
		{"a display for a terminal", one(seat(func(s *Session) { s.TTY, s.VT = ":0", 0 })), nil, nil},
		{"a path for a terminal", one(seat(func(s *Session) { s.TTY, s.VT = "../mem", 0 })), nil, nil},
		{"a terminal with a line feed", one(seat(func(s *Session) { s.TTY, s.VT = "tty1\n", 0 })), nil, nil},
		{"class user-early", one(seat(func(s *Session) { s.Class = "user-early" })), nil, []string{"write tty1 1"}},
		{"class user-light", one(seat(func(s *Session) { s.Class = "user-light" })), nil, []string{"write tty1 1"}},
		{"class user-incomplete", one(seat(func(s *Session) { s.Class = "user-incomplete" })), nil, []string{"write tty1 1"}},
		{"run0, which makes a session of its own", one(seat(func(s *Session) { s.Seat, s.VT, s.TTY, s.Service = "", 0, "pts/3", "systemd-run0" })), nil, nil},
		{"a greeter", one(seat(func(s *Session) { s.Class = "greeter" })), nil, nil},
		{"a lock screen", one(seat(func(s *Session) { s.Class = "lock-screen" })), nil, nil},
		{"a manager", one(seat(func(s *Session) { s.Class = "manager" })), nil, nil},
		{"cron, in the background", one(seat(func(s *Session) { s.Class = "background" })), nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := scene(c.sessions, c.terminals)
			s.NoDevice = map[string]bool{"ftp": true, "tty50": true}
			maps.DeleteFunc(s.Living, func(it Session, _ bool) bool { return it.Leader == -1 })
			orders, _ := NewBridge(nil).Decide(s)
			if diff := cmp.Diff(c.want, wrote(orders)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheRecord(t *testing.T) {
	dead := func(r utmpx.Record) utmpx.Record { r.Type, r.User = utmpx.DeadProcess, ""; return r }
	base := user(100, "pts/0", "ts/0")
	with := func(change func(r *utmpx.Record)) utmpx.Record { r := base; change(&r); return r }
	login := func(pid int32, line string) session.OpenLogin {
		return session.OpenLogin{Login: session.Login{Line: line, PID: pid, Time: utmpx.TimeOf(at(time.Second))}, User: "alice"}
	}
	tty := func(id string) utmpx.Record {
		return utmpx.Record{Type: utmpx.UserProcess, PID: 100, Line: "tty1", ID: id, User: "alice", Time: utmpx.TimeOf(began)}
	}
	for _, c := range []struct {
		name    string
		session Session
		line    string
		open    []session.OpenLogin
		unread  bool
		records []utmpx.Record
		want    Order
		none    bool
	}{
		{name: "as sshd writes it", session: ssh(), want: Order{Record: base, Login: true}},
		{name: "the last four bytes of a long line", session: ssh(), line: "pts/1234", want: Order{Record: with(func(r *utmpx.Record) { r.Line, r.ID = "pts/1234", "1234" }), Login: true}},
		{name: "a host's name has no address", session: ssh(func(s *Session) { s.RemoteHost = "host.example" }),
			want: Order{Record: with(func(r *utmpx.Record) { r.Host, r.Addr = "host.example", [16]byte{} }), Login: true}},
		{name: "an address of IPv6", session: ssh(func(s *Session) { s.RemoteHost = "2001:db8::1" }),
			want: Order{Record: with(func(r *utmpx.Record) { r.Host = "2001:db8::1"; r.SetIP(netip.MustParseAddr("2001:db8::1")) }), Login: true}},
		{name: "one with a zone", session: ssh(func(s *Session) { s.RemoteHost = "fe80::1%eth0" }),
			want: Order{Record: with(func(r *utmpx.Record) { r.Host = "fe80::1%eth0"; r.SetIP(netip.MustParseAddr("fe80::1")) }), Login: true}},
		{name: "one of IPv4 within IPv6", session: ssh(func(s *Session) { s.RemoteHost = "::ffff:192.0.2.7" }),
			want: Order{Record: with(func(r *utmpx.Record) { r.Host = "::ffff:192.0.2.7" }), Login: true}},
		{name: "a display", session: ssh(func(s *Session) { s.RemoteHost, s.Display = "", ":0" }),
			want: Order{Record: with(func(r *utmpx.Record) { r.Host, r.Addr = ":0", [16]byte{} }), Login: true}},
		{name: "a host with an escape sequence", session: ssh(func(s *Session) { s.RemoteHost = "a\x1b[2Jb" }),
			want: Order{Record: with(func(r *utmpx.Record) { r.Host, r.Addr = "a?[2Jb", [16]byte{} }), Login: true}},
		{name: "names that are too long", session: ssh(func(s *Session) { s.User, s.RemoteHost = strings.Repeat("u", 33), strings.Repeat("é", 129) }),
			want: Order{Record: with(func(r *utmpx.Record) {
				r.User, r.Host, r.Addr = strings.Repeat("u", 32), strings.Repeat("é", 128), [16]byte{}
			}), Login: true}},
		{name: "no time", session: ssh(func(s *Session) { s.Since = time.Time{} }),
			want: Order{Record: with(func(r *utmpx.Record) { r.Time = utmpx.TimeOf(at(2 * time.Second)) }), Login: true}},
		{name: "the login that sshd wrote to wtmp", session: ssh(), open: []session.OpenLogin{login(100, "pts/0")},
			want: Order{Record: with(func(r *utmpx.Record) { r.Time = utmpx.TimeOf(at(time.Second)) })}},
		{name: "another process's login on the line", session: ssh(), open: []session.OpenLogin{login(99, "pts/0")}, want: Order{Record: base, Login: true}},
		{name: "its login on another line", session: ssh(), open: []session.OpenLogin{login(100, "pts/9")}, want: Order{Record: base, Login: true}},
		{name: "a log that cannot be read", session: ssh(), unread: true, want: Order{Record: base}},
		{name: "getty's record of the line", session: seat(), records: []utmpx.Record{record(utmpx.LoginProcess, 90, "tty1", "1")},
			want: Order{Kind: TakeOver, Was: record(utmpx.LoginProcess, 90, "tty1", "1"), Record: tty("1"), Login: true}},
		{name: "getty's record keeps its id", session: seat(), records: []utmpx.Record{record(utmpx.LoginProcess, 100, "tty1", "tty1")},
			want: Order{Kind: TakeOver, Was: record(utmpx.LoginProcess, 100, "tty1", "tty1"), Record: tty("tty1"), Login: true}},
		{name: "init's record of the process", session: seat(), records: []utmpx.Record{{}, record(utmpx.InitProcess, 100, "", "c1")},
			want: Order{Kind: TakeOver, Slot: 1, Was: record(utmpx.InitProcess, 100, "", "c1"), Record: tty("c1"), Login: true}},
		{name: "the record of the line before that of the process, whose pid may have been used anew", session: seat(),
			records: []utmpx.Record{record(utmpx.LoginProcess, 100, "tty5", "5"), record(utmpx.LoginProcess, 90, "tty1", "x")},
			want:    Order{Kind: TakeOver, Slot: 1, Was: record(utmpx.LoginProcess, 90, "tty1", "x"), Record: tty("x"), Login: true}},
		{name: "a display manager is no getty's process", session: gdm(func(s *Session) { s.Since = at(-time.Minute) }), records: []utmpx.Record{record(utmpx.LoginProcess, 100, "tty5", "5")},
			want: Order{Record: func() utmpx.Record {
				r := tty("2")
				r.Line, r.Host, r.Time = "tty2", ":0", utmpx.TimeOf(at(-time.Minute))
				return r
			}(), Login: true}},
		{name: "a dead getty's record with a pid that was used anew", session: ssh(), records: []utmpx.Record{record(utmpx.LoginProcess, 100, "tty5", "5")},
			want: Order{Record: base, Login: true}},
		{name: "a dead session's record with the same id", session: ssh(), records: []utmpx.Record{dead(user(7, "pts/0", "ts/0"))}, want: Order{Record: base, Login: true}},
		{name: "another session's record with the same id", session: ssh(), line: "pts/1234", records: []utmpx.Record{user(7, "pts/21234", "1234")}, none: true},
		{name: "getty's record with the same id", session: ssh(), line: "pts/1234", records: []utmpx.Record{record(utmpx.LoginProcess, 7, "tty9", "1234")}, none: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			line := c.line
			if line == "" {
				line = "pts/0"
			}
			s := scene([]Session{c.session}, []Terminal{shell(line, 102, 100)}, c.records...)
			s.Open, s.OpenKnown = c.open, !c.unread
			orders, _ := NewBridge(nil).Decide(s)
			if c.none {
				if len(orders) != 0 {
					t.Errorf("orders %v", wrote(orders))
				}
				return
			}
			if len(orders) != 1 {
				t.Fatalf("orders %v", wrote(orders))
			}
			got := orders[0]
			got.key, got.from = key{}, time.Time{}
			if got != c.want {
				t.Errorf("order\n%+v, want\n%+v", got, c.want)
			}
		})
	}
}

func TestWaitForTheOwner(t *testing.T) {
	for _, c := range []struct {
		name    string
		session Session
		want    time.Duration // after the session's begin
	}{
		{"ssh", ssh(), 0},
		{"a virtual terminal", seat(), time.Second},
		{"a serial line", seat(func(s *Session) { s.Seat, s.VT, s.TTY = "", 0, "ttyS0" }), time.Second},
		{"a display manager", gdm(), 15 * time.Second},
		{"another service on a seat", gdm(func(s *Session) { s.Service = "sddm" }), 15 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBridge(nil)
			s := scene([]Session{c.session}, []Terminal{shell("pts/0", 102, 100)})
			if c.want > 0 {
				for _, early := range []time.Duration{0, c.want - time.Microsecond} {
					s.Now = at(early)
					if orders, again := b.Decide(s); len(orders) > 0 || !again.Equal(at(c.want)) {
						t.Errorf("after %v: %v, again at %v", early, wrote(orders), again.Sub(began))
					}
				}
			}
			s.Now = at(c.want)
			if orders, again := b.Decide(s); len(orders) != 1 || !again.IsZero() {
				t.Errorf("after %v: %v, again %v", c.want, wrote(orders), again)
			}
		})
	}
}

// As long as login(1) has not started the shell it may still record the session.
func TestLoginWithSlowModules(t *testing.T) {
	for _, it := range []Session{seat(), seat(func(s *Session) { s.Seat, s.VT, s.TTY, s.Service = "", 0, "pts/3", "remote" })} {
		b := NewBridge(nil)
		s := scene([]Session{it}, nil)
		s.NoShell = map[Session]bool{it: true}
		for waited := time.Duration(0); ; waited = s.Now.Sub(began) {
			s.Now = at(waited)
			orders, again := b.Decide(s)
			if waited >= 10*time.Second {
				if len(orders) != 1 {
					t.Errorf("%s: nothing is written after %v", it.Service, waited)
				}
				break
			}
			if len(orders) > 0 || !again.After(s.Now) || again.Sub(s.Now) > 3*time.Second {
				t.Fatalf("%s: after %v: %v, again %v later", it.Service, waited, wrote(orders), again.Sub(s.Now))
			}
			s.Now = again
		}
		s.Now, s.NoShell = at(3*time.Second), nil
		if orders, _ := NewBridge(nil).Decide(s); len(orders) != 1 {
			t.Errorf("%s: with the shell: %v", it.Service, wrote(orders))
		}
	}
}

// A clock that is behind the session's begin delays by no more than the wait.
func TestClockSetBack(t *testing.T) {
	b := NewBridge(nil)
	s := scene([]Session{gdm()}, nil)
	s.Now = at(-time.Hour)
	if orders, again := b.Decide(s); len(orders) > 0 || !again.Equal(s.Now.Add(15*time.Second)) {
		t.Errorf("%v, again %v later", wrote(orders), again.Sub(s.Now))
	}
	s.Now = s.Now.Add(15 * time.Second)
	if orders, _ := b.Decide(s); len(orders) != 1 {
		t.Errorf("%v", wrote(orders))
	}
}

// TestNeverDouble: the session's owner has a record, so there is none to write, now or once
// that one is closed.
func TestNeverDouble(t *testing.T) {
	host := func(r *utmpx.Record) { r.Host = ":0" }
	old := func(s *Session) { s.Since = at(-time.Minute) }
	for _, c := range []struct {
		name    string
		session Session
		record  utmpx.Record
		above   []int32 // of its process
		want    []string
		later   []string // once the record is closed
	}{
		{name: "sshd", session: ssh(), record: record(utmpx.UserProcess, 100, "pts/0", "ts/0")},
		{name: "login", session: seat(), record: record(utmpx.UserProcess, 100, "tty1", "1")},
		{name: "gdm", session: gdm(old), record: record(utmpx.UserProcess, 140, "tty2", "", host), above: []int32{100, 1}},
		{name: "gdm with the display for a line", session: gdm(old), record: record(utmpx.UserProcess, 140, ":0", ""), above: []int32{100, 1}},
		{name: "gdm with the seat for a line", session: gdm(old), record: record(utmpx.UserProcess, 140, "seat0", ""), above: []int32{100, 1}},
		{name: "lightdm", session: gdm(old), record: record(utmpx.UserProcess, 140, "tty2", ":0"), above: []int32{120, 100, 1}},
		{name: "openvt in a graphical session", session: gdm(old), record: record(utmpx.UserProcess, 140, "tty7", "7"), above: []int32{120, 100, 1}, want: []string{"write tty2 2"}, later: []string{"write tty2 2"}},
		{name: "sshd for root, as in Debian 12: the shell's process", session: ssh(), record: record(utmpx.UserProcess, 102, "pts/0", "ts/0")},
		{name: "a child of login", session: seat(), record: record(utmpx.UserProcess, 101, "tty1", "1"), above: []int32{100, 1}},
		{name: "a process that is gone, on the line and since then", session: gdm(), record: record(utmpx.UserProcess, 140, "tty2", "")},
		{name: "another session's on the line", session: ssh(), record: record(utmpx.UserProcess, 70, "pts/0", "ts/0"), later: []string{"write pts/0 ts/0"}},
		{name: "one on the seat's line from before", session: gdm(), record: record(utmpx.UserProcess, 70, "tty2", "", func(r *utmpx.Record) { r.Time.Sec -= 3600 }), later: []string{"write tty2 2"}},
		{name: "xterm in a graphical session", session: gdm(old), record: record(utmpx.UserProcess, 150, "pts/3", "ts/3"), above: []int32{140, 100, 1}, want: []string{"write tty2 2"}, later: []string{"write tty2 2"}},
		{name: "the same connection's other terminal", session: ssh(), record: record(utmpx.UserProcess, 100, "pts/7", "ts/7"), want: []string{"write pts/0 ts/0"}, later: []string{"write pts/0 ts/0"}},
		{name: "another seat", session: gdm(old), record: record(utmpx.UserProcess, 70, "tty9", ":9"), above: []int32{60}, want: []string{"write tty2 2"}, later: []string{"write tty2 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBridge(nil)
			s := scene([]Session{c.session}, []Terminal{shell("pts/0", 102, 100)}, c.record)
			s.Above = map[int32][]int32{c.record.PID: c.above}
			s.Now = at(time.Hour)
			orders, again := b.Decide(s)
			if diff := cmp.Diff(c.want, wrote(orders)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
			if !again.IsZero() {
				t.Errorf("again %v", again)
			}
			s.Records[0].Type = utmpx.DeadProcess
			orders, _ = b.Decide(s)
			if diff := cmp.Diff(c.later, wrote(orders)); diff != "" {
				t.Errorf("once it is closed (-want +got):\n%s", diff)
			}
		})
	}
}

// play carries out orders as the Cleaner does.
func play(b *Bridge, s *Scene, orders []Order) {
	for _, o := range orders {
		switch o.Kind {
		case Write:
			slot := slices.IndexFunc(s.Records, func(r utmpx.Record) bool { return r.ID == o.Record.ID })
			if slot < 0 {
				slot, s.Records = len(s.Records), append(s.Records, utmpx.Record{})
			}
			s.Records[slot] = o.Record
			b.Wrote(o)
		case TakeOver:
			s.Records[o.Slot] = o.Record
			b.Wrote(o)
		case Withdraw, End:
			s.Records[o.Slot].Type = utmpx.DeadProcess
		}
	}
}

// Its leader was killed, and then the owner of a session writes: its child is known by its control
// group.
func TestOwnerWritesLaterThanLeader(t *testing.T) {
	for _, c := range []struct {
		name    string
		session Session
		rec     utmpx.Record
		in      string
		want    []string
	}{
		{"lightdm", gdm(), record(utmpx.UserProcess, 140, "tty2", ":0"), gdm().ID, []string{"withdraw tty2"}},
		{"gdm with the display for a line", gdm(), record(utmpx.UserProcess, 140, ":0", ""), gdm().ID, []string{"withdraw tty2"}},
		{"another session on the terminal", gdm(), record(utmpx.UserProcess, 140, "tty2", ":0"), "c77", nil},
		{"a process that is in none", gdm(), record(utmpx.UserProcess, 140, ":0", ""), "", nil},
		{"a terminal within it", gdm(), record(utmpx.UserProcess, 140, "pts/3", "ts/3"), gdm().ID, nil},
		{"a record from before", gdm(), record(utmpx.UserProcess, 140, ":0", "", func(r *utmpx.Record) { r.Time = utmpx.TimeOf(at(-time.Hour)) }), gdm().ID, nil},
		{"no seat", ssh(), record(utmpx.UserProcess, 140, "pts/0", "/0"), ssh().ID, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBridge(nil)
			s := scene([]Session{c.session}, []Terminal{shell("pts/0", 102, 100)})
			s.Now = at(time.Hour)
			orders, _ := b.Decide(s)
			play(b, &s, orders)
			s.Living, s.View.Sessions[0].State = nil, "closing"
			s.Records, s.In = append(s.Records, c.rec), map[int32]string{140: c.in}
			b.Decide(s)
			s.Now = s.Now.Add(ownerLate)
			orders, _ = b.Decide(s)
			if diff := cmp.Diff(c.want, wrote(orders)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOwnerWritesLater: the bridge has recorded the session, and then its owner does.
func TestOwnerWritesLater(t *testing.T) {
	for _, c := range []struct {
		name    string
		session Session
		after   func(records []utmpx.Record) []utmpx.Record
		want    []string
	}{
		{"gdm takes the record over", gdm(), func(r []utmpx.Record) []utmpx.Record {
			r[0] = record(utmpx.UserProcess, 140, "tty2", "")
			return r
		}, nil},
		{"login takes the record over", seat(), func(r []utmpx.Record) []utmpx.Record {
			r[0] = record(utmpx.UserProcess, 100, "tty1", "1")
			return r
		}, nil},
		{"lightdm makes a second one", gdm(), func(r []utmpx.Record) []utmpx.Record {
			return append(r, record(utmpx.UserProcess, 140, "tty2", ":0"))
		}, []string{"withdraw tty2"}},
		{"openvt opens another terminal", gdm(), func(r []utmpx.Record) []utmpx.Record {
			return append(r, record(utmpx.UserProcess, 140, "tty7", "7"))
		}, nil},
		{"openvt from a virtual terminal", seat(), func(r []utmpx.Record) []utmpx.Record {
			return append(r, record(utmpx.UserProcess, 140, "tty7", "7"))
		}, nil},
		{"gdm makes a second one with a display", gdm(), func(r []utmpx.Record) []utmpx.Record {
			return append(r, record(utmpx.UserProcess, 140, ":0", ""))
		}, []string{"withdraw tty2"}},
		{"a terminal within it is recorded", gdm(), func(r []utmpx.Record) []utmpx.Record {
			return append(r, record(utmpx.UserProcess, 140, "pts/3", "ts/3"))
		}, nil},
		{"somebody else records the line with another id", ssh(), func(r []utmpx.Record) []utmpx.Record {
			return append(r, record(utmpx.UserProcess, 70, "pts/0", "/0"))
		}, nil},
		{"sshd closes it", ssh(), func(r []utmpx.Record) []utmpx.Record {
			r[0].Type = utmpx.DeadProcess
			return r
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBridge(nil)
			s := scene([]Session{c.session}, []Terminal{shell("pts/0", 102, 100)})
			s.Now = at(time.Hour)
			s.Above = map[int32][]int32{140: {100, 1}}
			orders, _ := b.Decide(s)
			play(b, &s, orders)
			if orders, _ := b.Decide(s); len(s.Records) != 1 || len(orders) != 0 {
				t.Fatalf("records %v, orders %v", s.Records, wrote(orders))
			}
			s.Records = c.after(s.Records)
			if orders, again := b.Decide(s); c.want != nil && (len(orders) != 0 || !again.Equal(s.Now.Add(ownerLate))) {
				t.Errorf("at once %v, again %v", wrote(orders), again)
			}
			s.Now = s.Now.Add(ownerLate)
			orders, _ = b.Decide(s)
			if diff := cmp.Diff(c.want, wrote(orders)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
			for _, o := range orders {
				if o.Was != s.Records[0] || o.Slot != 0 {
					t.Errorf("order %+v is not for the bridge's record", o)
				}
			}
			play(b, &s, orders)
			if orders, again := b.Decide(s); len(orders) != 0 || !again.IsZero() {
				t.Errorf("afterwards %v, again %v", wrote(orders), again)
			}
		})
	}
}

// TestTheEnd: no end of a session is decided here. utmpd judges the record.
func TestTheEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *Scene)
		want   []string
	}{
		{"leader killed, shell alive", func(s *Scene) { s.Living = nil; s.View.Sessions[0].State = "closing" }, nil},
		{"session closing", func(s *Scene) { s.View.Sessions[0].State = "closing" }, nil},
		{"session removed", func(s *Scene) { s.View.Sessions = nil }, nil},
		{"logind away", func(s *Scene) { s.View.Known = false }, nil},
		{"logind away, and never there", func(s *Scene) { s.View = View{} }, nil},
		{"nobody leads the terminal", func(s *Scene) { s.Terminals = nil }, nil},
		{"the class changes", func(s *Scene) { s.View.Sessions[0].Class = "background" }, nil},
		{"the terminal is gone, the connection is not", func(s *Scene) { s.Terminals, s.Gone = nil, map[string]bool{"pts/0": true} }, []string{"end pts/0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBridge(nil)
			s := scene([]Session{ssh()}, []Terminal{shell("pts/0", 102, 100)})
			orders, _ := b.Decide(s)
			play(b, &s, orders)
			c.change(&s)
			orders, again := b.Decide(s)
			if diff := cmp.Diff(c.want, wrote(orders)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
			if !again.IsZero() {
				t.Errorf("again %v", again)
			}
		})
	}
}

// One connection closes a terminal and gets the same one again.
func TestSameTerminalAgain(t *testing.T) {
	b := NewBridge(nil)
	s := scene([]Session{ssh()}, []Terminal{shell("pts/0", 102, 100)})
	step := func(what string, want ...string) {
		t.Helper()
		orders, _ := b.Decide(s)
		if diff := cmp.Diff(want, wrote(orders)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		play(b, &s, orders)
	}
	step("first", "write pts/0 ts/0")
	s.Terminals, s.Gone = []Terminal{shell("pts/0", 112, 100)}, map[string]bool{"pts/0": true}
	step("closed, and open again", "end pts/0")
	s.Gone = nil
	step("the second", "write pts/0 ts/0")
	s.Terminals = nil
	s.Records[0].Type = utmpx.DeadProcess
	step("closed by its owner")
	s.Terminals = []Terminal{shell("pts/0", 122, 100)}
	s.Terminals[0].Since = at(time.Minute)
	step("the third", "write pts/0 ts/0")
	step("nothing more")
}

// One connection closes a terminal and gets the same one again, before it was seen to be gone:
// while utmpd was running, or away, or with the first one's pid for its leader.
func TestSameTerminalAtOnce(t *testing.T) {
	for _, c := range []struct {
		name    string
		leader  int32
		restart bool
	}{{"at once", 112, false}, {"after a restart", 112, true}, {"with the same pid", 102, false}, {"with the same pid, after a restart", 102, true}} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBridge(nil)
			s := scene([]Session{ssh()}, []Terminal{shell("pts/0", 102, 100)})
			s.Terminals[0].Start = 5000
			orders, _ := b.Decide(s)
			play(b, &s, orders)
			if c.restart {
				b = NewBridge(b.Own())
			}
			if orders, _ = b.Decide(s); len(orders) > 0 {
				t.Fatalf("orders %v at first", wrote(orders))
			}
			if c.restart {
				b = NewBridge(b.Own())
			}
			began := at(time.Minute)
			s.Terminals = []Terminal{shell("pts/0", c.leader, 100)}
			s.Terminals[0].Since, s.Terminals[0].Start = began, 6000
			for range 2 { // it is closed by somebody else, after a while
				orders, _ = b.Decide(s)
				if len(orders) != 1 || orders[0].Kind != End || !orders[0].At.Before(began) || began.Sub(orders[0].At) > time.Millisecond {
					t.Fatalf("orders %+v, want the first one's end just before %v", orders, began)
				}
			}
			s.Records[0].Type, s.Records[0].Time = utmpx.DeadProcess, utmpx.TimeOf(orders[0].At)
			orders, _ = b.Decide(s)
			if len(orders) != 1 || orders[0].Kind != Write || !orders[0].Record.Time.Time().Equal(began) {
				t.Fatalf("orders %+v, want a record of %v", orders, began)
			}
			play(b, &s, orders)
			if orders, _ = b.Decide(s); len(orders) > 0 {
				t.Errorf("orders %v of what is recorded", wrote(orders))
			}
		})
	}
}

// One connection closes a terminal, and another one gets it before it was seen to be gone.
func TestTerminalOfAnotherConnection(t *testing.T) {
	first, second := ssh(), ssh(numbered("2", 200))
	sudo := shell("pts/0", 300, 250)
	sudo.Above = append(sudo.Above, Process{200, true})
	for _, c := range []struct {
		name   string
		now    Terminal
		change func(s *Scene)
		want   []string
		then   []string
	}{
		{"at once", shell("pts/0", 202, 200), nil, []string{"end pts/0"}, []string{"write pts/0 ts/0"}},
		{"the first connection is over too: the table judges", shell("pts/0", 202, 200), func(s *Scene) { delete(s.Living, first) }, nil, nil},
		{"its leader cannot be found", Terminal{}, nil, nil, nil},
		{"led by something below the other's shell, which root may do", sudo, nil, nil, nil},
		{"led by another child of its sshd, in a terminal of the same name", shell("pts/0", 112, 100), nil, []string{"end pts/0"}, []string{"write pts/0 ts/0"}},
		{"led by a program within", Terminal{Line: "pts/0", Leader: 112, Since: at(time.Second), Above: []Process{{102, false}, {101, true}, {100, true}}}, nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := NewBridge(nil)
			s := scene([]Session{first, second}, []Terminal{shell("pts/0", 102, 100)})
			step := func(want ...string) {
				t.Helper()
				orders, _ := b.Decide(s)
				if diff := cmp.Diff(want, wrote(orders)); diff != "" {
					t.Errorf("orders (-want +got):\n%s", diff)
				}
				play(b, &s, orders)
			}
			step("write pts/0 ts/0")
			s.Terminals = []Terminal{c.now}
			if c.change != nil {
				c.change(&s)
			}
			step(c.want...)
			step(c.then...)
		})
	}
}

// A record that its owner closes at once is not written a second time.
func TestClosedAtOnce(t *testing.T) {
	b := NewBridge(nil)
	s := scene([]Session{ssh()}, []Terminal{shell("pts/0", 102, 100)})
	orders, _ := b.Decide(s)
	play(b, &s, orders)
	s.Records[0].Type = utmpx.DeadProcess
	if orders, _ := b.Decide(s); len(orders) != 0 {
		t.Errorf("orders %v", wrote(orders))
	}
}

// TestIDUsedAnew: logind restarted, and another session has the id.
func TestIDUsedAnew(t *testing.T) {
	b := NewBridge(nil)
	s := scene([]Session{ssh()}, []Terminal{shell("pts/0", 102, 100)})
	orders, _ := b.Decide(s)
	play(b, &s, orders)
	again := ssh(func(s *Session) { s.Leader, s.Since = 200, at(time.Minute) })
	s = scene([]Session{again}, []Terminal{shell("pts/1", 202, 200)}, s.Records...)
	s.Now = at(time.Hour)
	orders, _ = b.Decide(s)
	if diff := cmp.Diff([]string{"write pts/1 ts/1"}, wrote(orders)); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

// TestRestart: another run of utmpd doubles nothing, loses nothing, and knows its own.
func TestRestart(t *testing.T) {
	b := NewBridge(nil)
	s := scene([]Session{gdm()}, nil)
	s.Now = at(time.Hour)
	orders, _ := b.Decide(s)
	play(b, &s, orders)
	s.Above = map[int32][]int32{140: {100, 1}}
	own := b.Own()
	for _, c := range []struct {
		name string
		own  []session.OwnRecord
		add  []utmpx.Record
		dead bool
		want []string
	}{
		{"as it was", own, nil, false, nil},
		{"as it was, the note lost", nil, nil, false, nil},
		{"the owner wrote meanwhile", own, []utmpx.Record{record(utmpx.UserProcess, 140, ":0", "")}, false, []string{"withdraw tty2"}},
		{"the owner wrote meanwhile, the note lost", nil, []utmpx.Record{record(utmpx.UserProcess, 140, ":0", "")}, false, nil},
		{"it was closed meanwhile", own, nil, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s
			s.Records = slices.Concat(s.Records, c.add)
			if c.dead {
				s.Records[0].Type = utmpx.DeadProcess
			}
			b := NewBridge(c.own)
			orders, again := b.Decide(s)
			if !again.IsZero() && len(orders) == 0 {
				s.Now = again
				orders, again = b.Decide(s)
			}
			if diff := cmp.Diff(c.want, wrote(orders)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
			if !again.IsZero() {
				t.Errorf("again %v", again)
			}
		})
	}
}

// An order that was not carried out is given again, for as long as the session lives.
func TestOrderFails(t *testing.T) {
	b := NewBridge(nil)
	s := scene([]Session{ssh()}, []Terminal{shell("pts/0", 102, 100)})
	for range 3 {
		if orders, _ := b.Decide(s); len(orders) != 1 {
			t.Errorf("orders %v", wrote(orders))
		}
	}
	s.View.Known = false
	if orders, _ := b.Decide(s); len(orders) != 0 {
		t.Errorf("logind is away: %v", wrote(orders))
	}
	s.View.Known, s.Living = true, nil
	if orders, _ := b.Decide(s); len(orders) != 0 {
		t.Errorf("its leader is dead: %v", wrote(orders))
	}
	if len(b.seen) != 0 {
		t.Errorf("%d sessions are remembered", len(b.seen))
	}
}

// Two new terminals whose names have the same end get one record: pututxline would put the
// second in the place of the first.
func TestSameIDAtOnce(t *testing.T) {
	b := NewBridge(nil)
	s := scene([]Session{ssh()}, []Terminal{shell("pts/11234", 102, 100), shell("pts/21234", 112, 100)})
	orders, _ := b.Decide(s)
	if diff := cmp.Diff([]string{"write pts/11234 1234"}, wrote(orders)); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

func TestInTheWay(t *testing.T) {
	r := user(100, "pts/0", "ts/0")
	for _, c := range []struct {
		name string
		at   utmpx.Record
		want bool
	}{
		{"a session on the line", record(utmpx.UserProcess, 7, "pts/0", "zz"), true},
		{"a session with the id", record(utmpx.UserProcess, 7, "pts/9", "ts/0"), true},
		{"a getty with the id", record(utmpx.LoginProcess, 7, "pts/9", "ts/0"), true},
		{"one that has ended", record(utmpx.DeadProcess, 7, "pts/0", "ts/0"), false},
		{"another one", record(utmpx.UserProcess, 7, "pts/9", "ts/9"), false},
		{"nothing", utmpx.Record{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := InTheWay(r, c.at); got != c.want {
				t.Errorf("InTheWay = %v", got)
			}
		})
	}
}

// A decision costs what there is, and not its square.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var sessions []Session
			var terminals []Terminal
			var records []utmpx.Record
			for i := range n {
				leader, line := int32(1000+10*i), "pts/"+strconv.Itoa(i)
				sessions = append(sessions, ssh(numbered(strconv.Itoa(i), leader)))
				terminals = append(terminals, shell(line, leader+2, leader))
				records = append(records, user(leader, line, session.LineID(line)))
			}
			var own []session.OwnRecord
			for _, r := range records[:n/2] {
				own = append(own, session.OwnRecord{OpenLogin: mark(r)})
			}
			s := scene(sessions, terminals, records...)
			bridge := NewBridge(own)
			for b.Loop() {
				bridge.Decide(s)
			}
		})
	}
}
