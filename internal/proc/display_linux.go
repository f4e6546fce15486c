// SPDX-License-Identifier: BSD-2-Clause

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/session"
)

// logindDir is the directory in which logind and elogind keep a file for
// each session.
const logindDir = "/run/systemd/sessions"

// witnesses reports for each display who speaks for the session on it: logind's
// session of that user there, by its leader, or the X server, if it is root's or
// the user's. It blocks for the reading of logind's files and, if an X server must
// be looked for, for one pass over /proc.
//
// Source: /run/systemd/sessions is logind's own; sd_session_get_display(3) and its
// siblings read it too.
func witnesses(dir string, asked []showing) map[showing]session.Witness {
	found := make(map[showing]session.Witness, len(asked))
	sessions, err := logindSessions(dir)
	var rest []showing
	for _, q := range asked {
		w := ofLogind(sessions, q)
		if !w.Found {
			w.Unknown = err != nil
			rest = append(rest, q)
		}
		found[q] = w
	}
	servers, hidden, may := []xServer(nil), error(nil), showers{}
	if len(rest) > 0 {
		servers, hidden = xServers(rest, may)
	}
	for _, q := range rest {
		w := ofServers(servers, q, may)
		local := q.display.VT != 0 || q.display.Host == "" // else its X server is not here
		w.Unknown = found[q].Unknown || !w.Found && (w.Unknown || local && hidden != nil)
		found[q] = w
	}
	return found
}

// ofLogind returns the leader of the session that logind has of a user there.
func ofLogind(sessions []logindSession, q showing) session.Witness {
	for _, l := range sessions {
		if !l.on(q) || l.leader <= 0 || !signalable(l.leader) {
			continue
		}
		s, err := readStat(l.leader)
		if err == nil && s.ended() {
			continue
		}
		return session.Witness{Found: true, Logind: true, ID: session.ID{PID: l.leader, Start: s.start}}
	}
	return session.Witness{}
}

// ofServers returns the X server of a display. It is nobody's evidence if it
// belongs to another user than root and the record's.
func ofServers(servers []xServer, q showing, may showers) session.Witness {
	for _, x := range servers {
		if is, _ := x.serves(q.display); is && may.show(x.uid, q.user) {
			return session.Witness{Found: true, ID: x.id}
		}
	}
	for _, x := range servers {
		if _, maybe := x.serves(q.display); maybe && may.show(x.uid, q.user) {
			return session.Witness{Unknown: true}
		}
	}
	return session.Witness{}
}

// mayShow reports whether a process of that uid can show the session of a user. A
// user whom /etc/passwd does not have may have any uid that it does not have.
func mayShow(uid uint32, name string) bool {
	if uid == 0 {
		return true
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.Lookup(name); err == nil {
		return u.Uid == id
	}
	_, err := user.LookupId(id)
	return err != nil
}

// showers remembers what mayShow returned: it reads /etc/passwd.
type showers map[shower]bool

type shower struct {
	uid  uint32
	name string
}

func (s showers) show(uid uint32, name string) bool {
	key := shower{uid, name}
	may, known := s[key]
	if !known {
		may = mayShow(uid, name)
		s[key] = may
	}
	return may
}

// logindSession is one session that logind has.
type logindSession struct {
	user    string
	class   string
	display session.Display
	hasX    bool // it has a display
	vt      int  // 0: none
	leader  int32

	id    string
	about Login // as far as the file tells
}

// xServer is a living X server.
type xServer struct {
	id      session.ID
	display int // the number; -1: unknown
	vt      int // 0: unknown; -1: none
	uid     uint32

	hardware bool // it has a virtual terminal
}

// on reports whether the session is one of that user on that display.
func (l logindSession) on(q showing) bool {
	if !isLogin(l.class) || l.user == "" || l.user != q.user {
		return false
	}
	if q.display.VT != 0 {
		return l.vt == q.display.VT
	}
	return l.hasX && l.display.Same(q.display)
}

// isLogin reports whether logind's sessions of that class are logins.
//
// Source: sd_session_get_class(3).
func isLogin(class string) bool {
	const login = "user" // also user-early, user-incomplete, user-light
	return class == "" || class == login || len(class) > len(login) && class[:len(login)+1] == login+"-"
}

// serves reports whether the X server is the one of that display. maybe says that
// it can be: what it serves is not known.
func (x xServer) serves(d session.Display) (is, maybe bool) {
	if d.VT != 0 {
		return x.vt == d.VT, x.vt == 0
	}
	local := d.Host == "" && d.Number >= 0
	return local && x.display == d.Number, local && x.display < 0
}

const (
	logindMost = 65536   // sessions that are read
	logindSize = 1 << 16 // bytes of one that are read
)

// logindSessions reads the sessions that logind has. Without logind there are none.
func logindSessions(dir string) ([]logindSession, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("proc: logind's sessions: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(2 * logindMost)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("proc: logind's sessions: %w", err)
	}
	var sessions []logindSession
	for _, name := range names {
		if strings.HasSuffix(name, ".ref") || name[0] == '.' { // ID.ref is a FIFO
			continue
		}
		text, err := readRegular(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			return sessions, fmt.Errorf("proc: logind's session %s: %w", name, err)
		}
		l := parseLogind(text)
		l.id = name
		sessions = append(sessions, l)
	}
	return sessions, nil
}

// readRegular reads a file that is not large. It does not wait for one that is no
// regular file, and returns nothing of it.
func readRegular(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, logindSize))
}

// parseLogind parses the file of a session.
func parseLogind(text []byte) (l logindSession) {
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		value = strings.Trim(value, `"`)
		l.about.set(key, value)
		switch key {
		case "USER":
			l.user = value
		case "CLASS":
			l.class = value
		case "DISPLAY":
			l.display, l.hasX = session.ParseDisplay(value, 0)
		case "VTNR":
			if vt, err := strconv.Atoi(value); err == nil {
				l.vt = vt
			}
		case "TTY":
			if d, ok := session.ParseVT(value); ok && l.vt == 0 {
				l.vt = d.VT
			}
		case "LEADER":
			pid, err := strconv.ParseInt(value, 10, 32)
			if err == nil {
				l.leader = int32(pid)
			}
		}
	}
	return l
}

// set takes in a value that is for people alone.
func (l *Login) set(key, value string) {
	switch key {
	case "SERVICE":
		l.Service = value
	case "STATE":
		l.State = value
	case "REMOTE_HOST":
		l.Host = value
	case "TTY":
		l.TTY = strings.TrimPrefix(value, "/dev/")
	case "DISPLAY":
		l.Display = value
	case "REALTIME":
		if usec, err := strconv.ParseInt(value, 10, 64); err == nil {
			l.Began = time.UnixMicro(usec)
		}
	}
}

// xServers returns the X servers that live and may show one of the sessions. If the error
// is not nil, there may be others. It looks at a process's user before its arguments: anybody
// can give his the name of an X server.
func xServers(asked []showing, may showers) ([]xServer, error) {
	var servers []xServer
	err := eachStat(func(s stat) {
		var buf [64]byte
		n, err := readFile("/proc/"+strconv.Itoa(int(s.pid))+"/comm", buf[:])
		name := string(bytes.TrimSpace(buf[:n]))
		if err != nil || !isXServer(name) || s.ended() || contained(s.pid) {
			return
		}
		uid, err := realUID(s.pid)
		if err == nil && slices.ContainsFunc(asked, func(q showing) bool { return may.show(uid, q.user) }) {
			servers = append(servers, xServer{id: s.id(), uid: uid, hardware: onHardware(name)})
		}
	})
	if err == nil && hidesOthers() {
		err = errHidden
	}
	return setArguments(servers), err
}

// setArguments has the X servers tell by their arguments what they serve. Those whose
// arguments cannot be read may serve anything.
func setArguments(servers []xServer) []xServer {
	asked := make([]process, len(servers))
	for i, x := range servers {
		asked[i] = process{x.id.PID, x.uid}
	}
	known, unknown := readCommands(asked)
	some := servers[:0]
	for _, x := range servers {
		text, is := known[x.id.PID]
		switch {
		case is:
			x.display, x.vt = parseXArgs(text)
		case unknown[x.id.PID]:
			x.display, x.vt = -1, 0
		default:
			continue // it is gone
		}
		if !x.hardware {
			x.vt = -1
		}
		some = append(some, x)
	}
	return some
}

// isXServer reports whether a program of that name is an X server.
func isXServer(name string) bool {
	switch name {
	case "Xwayland", "Xephyr", "Xnest", "Xvfb", "Xdmx", "Xspice", "Xlibre", "XWin", "Xfbdev", "Xvesa":
		return true
	}
	return onHardware(name) || strings.HasPrefix(name, "X") && strings.Contains(name, "vnc")
}

// onHardware reports whether an X server of that name has a virtual terminal.
func onHardware(name string) bool { return name == "X" || strings.HasPrefix(name, "Xorg") }

// parseXArgs returns the number of the display and the virtual terminal from an X
// server's arguments.
//
// Source: Xserver(1), Xorg(1).
func parseXArgs(cmdline string) (display, vt int) {
	named := false
	for i, arg := range strings.Split(cmdline, "\x00") {
		number, isVT := strings.CutPrefix(arg, "vt")
		d, isDisplay := session.ParseDisplay(arg, 0)
		switch {
		case i == 0: // the program
		case isVT:
			vt, _ = strconv.Atoi(number)
		case arg == "-displayfd" && !named: // it takes a number that is free
			display = -1
		case isDisplay && arg[0] == ':' && d.Number >= 0:
			display, named = d.Number, true
		}
	}
	return display, vt
}

// realUID returns the real uid of a process.
func realUID(pid int32) (uint32, error) {
	buf := make([]byte, 4096)
	n, err := readFile("/proc/"+strconv.Itoa(int(pid))+"/status", buf)
	if err != nil {
		return 0, err
	}
	all := uids(buf[:n])
	if len(all) == 0 {
		return 0, errStat
	}
	uid, err := strconv.ParseUint(all[0], 10, 32)
	return uint32(uid), err
}
