// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package system

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/utmpx"
)

// TestHostileState checks that a table from the previous run that was changed
// does no harm, and that deaths while utmpd was not running are still found.
func TestHostileState(t *testing.T) {
	parallel(t)
	const table = "/run/utmpd/table"
	rewrite := func(f func([]byte) []byte) func(*testing.T) {
		return func(t *testing.T) {
			if err := os.WriteFile(table, f(readFile(t, table)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	const believed = "" // nothing is logged
	const refused = "the saved table is not used"
	replace := func(with func() error) func(*testing.T) {
		return func(t *testing.T) {
			os.Remove(table)
			if err := with(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, says string
		change     func(*testing.T)
	}{
		{"as it was", believed, func(*testing.T) {}},
		{"forged", refused, rewrite(func(b []byte) []byte { b[len(b)/2] ^= 1; return b })},
		{"cut short", refused, rewrite(func(b []byte) []byte { return b[:len(b)/2] })},
		{"empty", refused, rewrite(func([]byte) []byte { return nil })},
		{"text of another", refused, rewrite(func([]byte) []byte { return []byte("\x1b[2Jhello\n") })},
		{"of another boot", "from another boot", nil},
		{"somebody's", refused, func(t *testing.T) { os.Chown(table, 1000, 1000) }},
		{"writable for all", refused, func(t *testing.T) { os.Chmod(table, 0o666) }},
		{"a link", refused, func(t *testing.T) {
			os.Rename(table, "/run/table")
			os.Symlink("/run/table", table)
		}},
		{"a gigabyte", refused, func(t *testing.T) { os.Truncate(table, 1<<30) }},
		{"a directory", refused, replace(func() error { return os.Mkdir(table, 0o755) })},
		{"a FIFO", refused, replace(func() error { return unix.Mkfifo(table, 0o600) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			const bootID = "/proc/sys/kernel/random/boot_id"
			if c.change == nil {
				if err := os.WriteFile("/tmp/boot_id", []byte("01234567-89ab-cdef-0123-456789abcdef\n"), 0o444); err != nil {
					t.Fatal(err)
				}
				if err := unix.Mount("/tmp/boot_id", bootID, "", unix.MS_BIND, ""); err != nil {
					t.Fatal(err)
				}
				c.change = func(t *testing.T) {
					if err := unix.Unmount(bootID, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			p := beside(t)
			awaitSaved(t, p.lives, p.dies)
			p.d.stop(t)
			died := p.dies.kill(t)
			c.change(t)
			p.d = startUtmpdAs(t, nil)
			waitFor(t, generous, "the dead session to be cleaned", func() bool { return !whoShows(t, p.dies.entry.Line) })
			died.to = time.Now() // the time of death is unknown
			if c.says == believed && strings.Contains(p.d.logged(), "the saved table") {
				t.Error("an intact table is not used")
			}
			if c.says != believed {
				p.d.waitLog(t, c.says)
			}
			mustBePlain(t, "the log", p.d.logged())
			p.dies.mustGo(t, died)
			p.lives.mustStand(t)
			p.d.mustBeSmall(t, memoryLimit)
			p.d.stop(t)
		})
	}
}

// fill uses all free space of a file system and returns a function that frees it.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := dir + "/filler"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for b := make([]byte, 4096); ; {
		if _, err := f.Write(b); err != nil {
			break
		}
	}
	return func() { os.Remove(name) }
}

// TestNoSpaceInRun checks a full file system that holds utmp. Records are cleaned,
// because that needs no space; status and table follow when there is space again.
func TestNoSpaceInRun(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	if err := unix.Mount("", "/run", "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=2m"); err != nil {
		t.Fatal(err)
	}
	free := fill(t, "/run")
	died := p.dies.kill(t)
	p.dies.mustGo(t, died)
	p.d.waitLog(t, "status not written", "no space left")
	// What changed of the table may fit behind it, but at the end it is saved whole.
	p.d.stop(t)
	p.d.waitLog(t, "cannot save the table", "no space left")
	// A new utmpd also starts there.
	fill(t, "/run") // uses the page that the pid file had
	p.d = startUtmpdAs(t, nil)
	p.d.waitLog(t, "no RUN_DIR", "no space left")
	p.lives.mustStand(t)
	p.d.stop(t)
	free()
	p.d = startUtmpdAs(t, nil)
	p.mustHold(t, died)
}

// TestNoSpaceInLog checks that, when wtmp cannot grow, the record is marked after
// the patience, the logout follows when there is space again, and wtmp always
// holds whole records.
func TestNoSpaceInLog(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	b := readFile(t, wtmpFile)
	if err := unix.Mount("tmpfs", "/var/log", "tmpfs", 0, "size=64k,mode=0755"); err != nil {
		t.Fatal(err)
	}
	writeLog(t, wtmpFile, b)
	if err := unix.Mount("/var/log", judgeRoot+"/var/log", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	p := beside(t)
	// The next record needs a new page, which the file system does not have.
	size := utmpx.Native().Size()
	for n := len(readFile(t, wtmpFile)); n%4096 != 0; n += size {
		r := user("pad", 1)
		r.Type = utmpx.DeadProcess
		write(t, wtmpFile, -1, encode(t, r))
	}
	free := fill(t, "/var/log")
	full := readFile(t, wtmpFile)
	died := p.dies.kill(t)
	p.d.waitLog(t, "cleaning waits", "no space left")
	waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, p.dies.entry.Line) })
	if got := readFile(t, wtmpFile); !bytes.Equal(got, full) {
		t.Errorf("wtmp has %d bytes now, not %d", len(got), len(full))
	}
	p.d.waitLog(t, "session ended", "logout=owed")
	free()
	p.d.waitLog(t, "pending logouts are written")
	p.mustHold(t, died)
}

// TestHugeLog checks that, in a wtmp with two gigabytes since the boot, the login
// is found and the logout written without reading the file into memory.
func TestHugeLog(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	size := int64(utmpx.Native().Size())
	huge := 2 << 30 / size * size
	if err := os.Truncate(wtmpFile, huge); err != nil {
		t.Fatal(err)
	}
	p := beside(t)
	before := fileSize(t, wtmpFile)
	at := slotOf(t, p.dies.entry)
	p.dies.kill(t)
	mustDie(t, at)
	p.d.mustBeSmall(t, memoryLimit)
	f, err := os.Open(wtmpFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Where reading the log takes longer than the record may wait, it is written later.
	waitFor(t, generous, "the logout", func() bool { return fileSize(t, wtmpFile) > before })
	b := make([]byte, 2*size)
	n, _ := f.ReadAt(b, before)
	if r := utmpx.Native().Decode(string(b[:size])); n != int(size) || r.Type != utmpx.DeadProcess || r.Line != p.dies.entry.Line {
		t.Errorf("%d bytes were appended to wtmp, %v", n, r)
	}
	p.d.stop(t)
}

func fileSize(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestHostileConfiguration checks files that are not configurations. On SIGHUP the
// old settings stay in force; at the start utmpd reports why it ends.
func TestHostileConfiguration(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	const uid = 900
	own := &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{utmpGroup}}
	for _, dir := range []string{"/run/utmpd", "/var/lib/utmpd"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, uid, uid); err != nil {
			t.Fatal(err)
		}
	}
	configure(t)
	p := &pair{d: startUtmpdAs(t, own)}
	p.sessions(t)
	for i, c := range []struct {
		says   string
		starts bool // utmpd starts; each fault is a warning
		make   func() error
	}{
		{"permission denied", false, func() error { return os.WriteFile(configFile, nil, 0o000) }},
		{"not a regular file", false, func() error { return os.Mkdir(configFile, 0o755) }},
		{"not a regular file", false, func() error { return unix.Mkfifo(configFile, 0o644) }},
		{"larger than 64 kB", false, func() error {
			if err := os.WriteFile(configFile, []byte("SCAN_PERIOD=1\n"), 0o644); err != nil {
				return err
			}
			return os.Truncate(configFile, 1<<30)
		}},
		{"no such file", false, func() error { return nil }},
		{"the old settings stay in force", true, func() error {
			return os.WriteFile(configFile, []byte("\x1b[2J=\a\nSCAN_PERIOD=\x1b]0;x\a\nGRACE_PERIOD=-1\nlines\xff\n"), 0o644)
		}},
	} {
		if err := os.RemoveAll(configFile); err != nil {
			t.Fatal(err)
		}
		if err := c.make(); err != nil {
			t.Fatal(err)
		}
		if !c.starts {
			cmd := exec.Command(utmpdBinary, "-foreground", "-config", configFile)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: own}
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), c.says) {
				t.Errorf("a start, %d: %v %s", i, err, out)
			}
		}
		n := strings.Count(p.d.logged(), c.says)
		if err := p.d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, generous, fmt.Sprintf("utmpd to say %q at a SIGHUP, %d", c.says, i), func() bool {
			return strings.Count(p.d.logged(), c.says) > n
		})
	}
	mustBePlain(t, "the log", p.d.logged())
	p.mustHold(t, p.dies.kill(t))
}

// TestHostileLogPath checks other kinds of files at wtmp's path. utmp stays
// correct, and the logout is written when wtmp is back.
func TestHostileLogPath(t *testing.T) {
	parallel(t)
	const other = wtmpFile + ".other"
	for _, c := range []struct {
		name, says string
		waits      bool // for the log; else it takes no records, and the logout is given up
		make       func() error
	}{
		{"a FIFO", "but a FIFO", false, func() error { return unix.Mkfifo(other, 0o664) }},
		{"a user's link", "symbolic link that is not root's", true, func() error {
			if err := os.Symlink("/root/fake", other); err != nil {
				return err
			}
			return os.Lchown(other, 1000, 1000)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !enter(t, bookworm) {
				return
			}
			p := beside(t, "WTMPX_UPDATE_FREQ=1")
			if err := c.make(); err != nil {
				t.Fatal(err)
			}
			exchange(t, wtmpFile, other)
			died := p.dies.kill(t)
			p.d.waitLog(t, "cannot update the access time of wtmpx", c.says)
			if !c.waits {
				p.d.waitLog(t, "the wtmpx file takes no records", c.says)
				waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, p.dies.entry.Line) })
				return
			}
			p.d.waitLog(t, "cleaning waits", c.says)
			waitFor(t, generous, "who to stop showing the dead session", func() bool { return !whoShows(t, p.dies.entry.Line) })
			exchange(t, wtmpFile, other)
			p.d.waitLog(t, "pending logouts are written")
			p.mustHold(t, died)
		})
	}
}

// TestOrdinaryNeighbour checks that alice can do nothing to utmpd.
func TestOrdinaryNeighbour(t *testing.T) {
	if !enter(t, bookworm) {
		return
	}
	p := beside(t)
	awaitSaved(t, p.lives)
	pid := p.d.cmd.Process.Pid
	for _, script := range []string{
		fmt.Sprintf("kill -KILL %d", pid),
		fmt.Sprintf("kill -HUP %d", pid),
		fmt.Sprintf("cat /proc/%d/environ", pid),
		"echo >/run/utmpd/utmppipe",
		"cat /run/utmpd/utmppipe",
		"echo >/run/utmpd/status",
		"echo >/run/utmpd/table",
		"cat /run/utmpd/table",
		"rm /run/utmpd/utmpd.pid",
		"mv /run/utmpd /run/elsewhere",
		"echo >/var/lib/utmpd/heartbeat",
		"echo >" + utmpFile,
	} {
		cmd := asAlice(exec.Command("/bin/sh", "-c", "timeout 5 sh -c '"+script+"'"))
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(strings.ToLower(string(out)), "not permitted") && !strings.Contains(strings.ToLower(string(out)), "denied") {
			t.Errorf("alice: %s: %v %s", script, err, out)
		}
	}
	p.mustHold(t, p.dies.kill(t))
}
