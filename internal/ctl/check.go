// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/config"
	"utmpd.dev/utmpd/internal/grid"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/utmpx"
)

// checkKinds are what the option -as takes.
var checkKinds = []string{"utmpx", "wtmpx", "btmp", "lastlog"}

// kindNamed returns the kind that -as names: people call the files as the file system does.
func kindNamed(as string) string {
	if as == "utmp" || as == "wtmp" {
		as += "x"
	}
	return as
}

func checkCommand() command {
	return command{
		name:    "check",
		summary: "find what is wrong with utmp, wtmp, btmp and lastlog files",
		about: `Without FILE it checks the files of this machine. Each finding is one line: the
file, the bytes, how bad it is, what it is, and what to do. The exit status is 1
if there is a warning or an error.`,
		options: []option{
			{name: "all", short: "a", help: "show notes too, and every finding of a kind"},
			{name: "as", arg: "KIND", help: "the files are utmpx, wtmpx, btmp or lastlog files", among: checkKinds, also: []string{"utmp", "wtmp"}},
			jsonOption,
			configOption,
		},
		args: argument{name: "[FILE...]", help: "a file", most: 1 << 16},
		examples: []string{
			"check                         # the files of this machine",
			"check -a /mnt/var/log/wtmp.1  # of another one, with notes",
		},
		run: checkFiles,
	}
}

// checking is one run of `utmpctl check`.
type checking struct {
	in       call
	cfg      config.Config
	own      [2]string // the utmpx and the wtmpx file of this machine
	as       string
	show     func(file string, f check.Finding) error
	p        *progress // of the file that is checked
	bad      bool      // there was a warning or an error
	notes    int       // that were not shown
	problems []error
	writeErr error
}

func checkFiles(in call) error {
	as := kindNamed(in.value("as"))
	cfg, err := in.settings()
	if err != nil {
		return err
	}
	c := &checking{in: in, cfg: cfg, own: [2]string{cfg.UtmpxFile, cfg.WtmpxFile}, as: as, show: findingLine(in.stdout, in.screen())}
	if in.set["json"] {
		c.show = findingJSON(in.stdout)
	}
	all := c.targets()
	for _, t := range all {
		few := check.NewFew(in.set["all"], func(f check.Finding) { c.found(t, f) })
		if err := c.one(t, few.Add); err != nil {
			c.problems = append(c.problems, err)
		}
		few.End()
	}
	if c.writeErr != nil {
		return c.writeErr
	}
	if len(c.problems) > 0 {
		return errors.Join(c.problems...)
	}
	if c.bad {
		return errFound
	}
	if onTerminal(in.stdout) && !in.set["json"] {
		_, err = fmt.Fprintln(in.stdout, c.nothing(all))
	}
	return err
}

// nothing says that nothing is wrong. A script learns that by the exit status.
func (c *checking) nothing(all []target) string {
	s := c.in.screen()
	var names []string
	for _, t := range all {
		names = append(names, s.text(t.name))
	}
	text := "nothing is wrong with " + strings.Join(names, ", ")
	if c.notes > 0 {
		text += "; -a shows " + count(c.notes, "note", "notes")
	}
	return strings.TrimSuffix(s.folded(text), "\n")
}

// target is a file to check.
type target struct {
	name string
	kind check.File
	ours bool // it is one of this machine's files, or beside them
	live bool // it is the utmpx file of this machine
}

// targets returns the files to check.
func (c *checking) targets() (all []target) {
	if len(c.in.args) > 0 {
		for _, name := range c.in.args {
			all = append(all, c.target(name))
		}
		return all
	}
	all = []target{{c.own[0], check.UtmpxFile, true, true}, {c.own[1], check.WtmpxFile, true, false}}
	for _, more := range []check.File{check.BtmpFile, check.LastlogFile} {
		name := filepath.Join(filepath.Dir(c.own[1]), more.String())
		if _, err := os.Lstat(name); err == nil {
			all = append(all, target{name, more, true, false})
		}
	}
	return all
}

// target returns what a named file is: by its inode, the option, or its name.
func (c *checking) target(name string) target {
	t := target{name: name, kind: check.WtmpxFile}
	t.live = sameFile(name, c.own[0])
	t.ours = t.live || sameFile(filepath.Dir(name), filepath.Dir(c.own[1])) || sameFile(name, c.own[1])
	base := filepath.Base(name)
	switch {
	case c.as != "":
		t.kind = check.File(slices.Index(checkKinds, c.as))
	case t.live, strings.HasPrefix(base, "utmp"):
		t.kind = check.UtmpxFile
	case strings.HasPrefix(base, "btmp"):
		t.kind = check.BtmpFile
	case strings.HasPrefix(base, "lastlog"):
		t.kind = check.LastlogFile
	}
	return t
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// found shows a finding, unless it is a note that nobody asked for.
func (c *checking) found(t target, f check.Finding) {
	if f.Severity == check.Note && !c.in.set["all"] {
		c.notes++
		return
	}
	c.bad = c.bad || f.Severity > check.Note
	c.p.end()
	if err := c.show(t.name, f); err != nil && c.writeErr == nil {
		c.writeErr = err
	}
}

// one checks one file.
func (c *checking) one(t target, found func(check.Finding)) error {
	info, err := os.Lstat(t.name)
	if errors.Is(err, fs.ErrNotExist) && len(c.in.args) == 0 {
		found(check.Finding{Kind: check.Unread, Severity: check.Warning, Text: "there is no such file",
			Advice: "C libraries do not create it: no session is recorded; `utmpctl boot` creates utmp, `touch` wtmp"})
		return nil
	}
	if err != nil {
		return sysfile.Wrap("check", t.name, err)
	}
	if t.ours {
		c.access(t, info, found)
	}
	// It is the user who names the file.
	to, err := typed(t.name)
	if err != nil {
		return sysfile.Wrap("check", t.name, err)
	}
	switch t.kind {
	case check.UtmpxFile:
		return c.table(t, to, found)
	case check.LastlogFile:
		return c.lastlog(to, found)
	}
	if l := openLastlog(to, ""); l != nil && c.as == "" {
		l.f.Close()
		return c.lastlog(to, found)
	}
	return c.log(t, to, found)
}

// access checks who may change a file.
func (c *checking) access(t target, link fs.FileInfo, found func(check.Finding)) {
	to, err := os.Stat(t.name)
	if err != nil {
		return // opening it tells why
	}
	o := c.in.on.owner(to)
	if link.Mode()&fs.ModeSymlink != 0 {
		o.Linked, o.LinkUID = true, c.in.on.owner(link).UID
	}
	o.Group, o.HasGroup = utmpGroup()
	check.Access(t.kind, o, found)
}

// noRecords is the finding of a file in which no records are. If it is this machine's,
// programs need one in its place.
func noRecords(t target, first string) check.Finding {
	f := check.Finding{Kind: check.Damage, Severity: check.Error, Text: "no session records in any known layout",
		Advice: "it is another kind of file, or nothing is left of it"}
	if t.ours {
		f.Advice = first + ", and put an empty file of the same owner and mode in its place"
	}
	return f
}

// otherSystem reports that the records of a file which the programs of this machine write
// are those of another system.
func otherSystem(l *utmpx.Layout, found func(check.Finding)) {
	if grid.Alike(l, utmpx.Native()) || muslLayout(l) {
		return
	}
	found(check.Finding{Kind: check.OtherLayout, Severity: check.Error,
		Text:   fmt.Sprintf("its records are %s, and this machine's are %s", l, utmpx.Native()),
		Advice: "programs here do not understand them: put an empty file of the same owner and mode in its place"})
}

func muslLayout(l *utmpx.Layout) bool { return l == utmpx.Musl400LE || l == utmpx.Musl400BE }
