// SPDX-License-Identifier: BSD-2-Clause

package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"utmpd.dev/utmpd/internal/check"
	"utmpd.dev/utmpd/internal/logs"
	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/repair"
	"utmpd.dev/utmpd/internal/sysfile"
)

func repairCommand() command {
	return command{
		name:    "repair",
		summary: "take the whole records out of a damaged file",
		about: `A wtmp or btmp file is replaced by a new one, while programs go on writing; the
old one stays beside it, as FILE.damaged-TIME. A utmp file is repaired in place,
after it was copied.`,
		options: []option{
			{name: "n", help: "print what would be done, and do nothing"},
			{name: "as", arg: "KIND", help: "the file is a utmpx, wtmpx or btmp file", among: checkKinds[:3], also: []string{"utmp", "wtmp"}},
			jsonOption,
			configOption,
		},
		args: argument{name: "FILE", help: "file", least: 1, most: 1},
		examples: []string{
			"repair -n /var/log/wtmp  # what would be done",
			"repair /var/log/wtmp     # while everything runs",
		},
		run: repairFile,
	}
}

// lateMost is how long writers are waited for that have the old file open: glibc's give
// up after 10 seconds.
const lateMost = 15 * time.Second

func repairFile(in call) error {
	as := kindNamed(in.value("as"))
	cfg, err := in.settings()
	if err != nil {
		return err
	}
	name := in.args[0]
	t := (&checking{in: in, own: [2]string{cfg.UtmpxFile, cfg.WtmpxFile}, as: as}).target(name)
	if t.kind == check.LastlogFile {
		return fmt.Errorf("repair %s: a lastlog file has a place for each user ID, and the next login of the user writes it again", name)
	}
	to, err := rootsFile(name)
	if err != nil {
		return err
	}
	o := repair.Options{DryRun: in.set["n"], Now: in.on.now(), Patience: in.on.patience, Late: lateMost}
	p := in.progress("repair "+name, 1)
	o.Progress = func(done, total int64) { p.total = max(1, total); p.at(done) }
	do := repair.Log
	if t.kind == check.UtmpxFile {
		do = repair.Table
	}
	r, err := do(in.ctx, to, o)
	p.end()
	if in.set["json"] && err == nil {
		return repairJSON(in, name, r)
	}
	if err == nil || r.Backup != "" {
		_, failed := io.WriteString(in.stdout, repairText(in, name, r))
		err = cmp.Or(err, failed)
	}
	if errors.Is(err, recfile.ErrLayout) {
		return otherSystems(in, to, name, err)
	}
	if errors.Is(err, repair.ErrCompressed) {
		return withCommands(err, name)
	}
	return err
}

// otherSystems returns the error of a file of another system; of others err.
func otherSystems(in call, to, name string, err error) error {
	f, failed := logs.New(to, logs.Options{Other: otherForm}).Open(in.ctx, to)
	if failed != nil {
		return err
	}
	defer f.Close()
	if !f.Other() {
		return err
	}
	return fmt.Errorf("repair %s: it is of another system, as %s: %s its records", name, f.Layout(), newFile)
}

// withCommands adds to an error how a compressed file is repaired. Each program keeps the
// file's time, by which rotated files are in order.
func withCommands(err error, name string) error {
	ending := filepath.Ext(name)
	by := map[string]string{".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd --rm"}[ending]
	if by == "" {
		return err
	}
	plain := strings.TrimSuffix(name, ending)
	return fmt.Errorf("%w: %s -d %s && utmpctl repair %s && %s %s", err, by, name, plain, by, plain)
}

// rootsFile returns the file that a name leads to. It follows root's links only, as every
// program here that writes does.
func rootsFile(name string) (string, error) {
	for range 8 {
		info, err := os.Lstat(name)
		if err != nil {
			return "", sysfile.Wrap("repair", name, err)
		}
		if info.Mode().IsRegular() {
			return filepath.Abs(name)
		}
		if info.Mode()&os.ModeSymlink == 0 {
			return "", sysfile.Wrap("repair", name, sysfile.ErrNotRegular)
		}
		if uid := ownerOf(info).UID; uid != 0 {
			return "", sysfile.Wrap("repair", name, sysfile.ErrSymlink)
		}
		link, err := os.Readlink(name)
		if err != nil {
			return "", sysfile.Wrap("repair", name, err)
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(name), link)
		}
		name = link
	}
	return "", sysfile.Wrap("repair", name, errors.New("too many symbolic links"))
}

// repairText says what was done.
func repairText(in call, name string, r repair.Report) string {
	s := in.screen()
	name = s.text(name)
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, "%s: "+format+"\n", append([]any{name}, args...)...) }
	if r.Finished > 0 {
		say("%s that an interrupted repair had left behind %s in it now", count(int(r.Finished), "record", "records"), map[bool]string{true: "is", false: "are"}[r.Finished == 1])
	}
	if r.Right() {
		say("%s, none damaged: nothing to repair", count(int(r.Records), "record", "records"))
		return b.String()
	}
	verb := "kept"
	if in.set["n"] {
		verb = "would be kept"
	}
	left := ""
	if r.Bytes > 0 {
		left = ", " + count(int(r.Bytes), "byte", "bytes") + " without a record left out"
	}
	say("%s of the layout %s %s%s", count(int(r.Records), "record", "records"), r.Layout, verb, left)
	lostText(say, r)
	if r.Converted > 0 {
		say("%s of another layout converted", count(int(r.Converted), "record", "records"))
	}
	if r.Moved > 0 {
		say("%s put into slots", count(int(r.Moved), "record that stood between them was", "records that stood between them were"))
	}
	if r.Late > 0 {
		say("%s taken along that came meanwhile", count(int(r.Late), "record", "records"))
	}
	for _, n := range r.Notes {
		say("%s", s.text(n))
	}
	if r.Backup != "" {
		say("the old file is %s", s.text(r.Backup))
	}
	if r.Again {
		say("the new file looks different without the damage, and needs another repair: run repair again")
	}
	if r.Writers {
		say("a program has the old file still open: what it appends is there; restart it")
	}
	return b.String()
}

// lostText prints what is left out.
func lostText(say func(string, ...any), r repair.Report) {
	for _, d := range r.Damage {
		say("bytes %d to %d are damaged: at most %s lost", d.From, d.To, count(int(d.Records), "record is", "records are"))
	}
	if more := r.Parts - int64(len(r.Damage)); more > 0 {
		say("and %s", count(int(more), "more damaged part", "more damaged parts"))
	}
	if r.Torn > 0 {
		say("%s of a part of a record at the end", count(int(r.Torn), "byte", "bytes"))
	}
	if r.Unfit > 0 {
		say("%s of another layout left out: they do not fit this one", count(int(r.Unfit), "record", "records"))
	}
}

// repairJSON prints it as one JSON object in a line.
func repairJSON(in call, name string, r repair.Report) error {
	type part struct {
		From    int64 `json:"from"`
		To      int64 `json:"to"`
		Records int64 `json:"records_most"`
	}
	out := struct {
		File      string   `json:"file"`
		DryRun    bool     `json:"dry_run"`
		Right     bool     `json:"right"`
		Layout    string   `json:"layout"`
		Records   int64    `json:"records"`
		Damaged   int64    `json:"damaged_parts"`
		Parts     []part   `json:"damage"`
		Bytes     int64    `json:"bytes_left_out"`
		Torn      int64    `json:"torn_bytes"`
		Converted int64    `json:"converted"`
		Moved     int64    `json:"moved"`
		Unfit     int64    `json:"unfit"`
		Late      int64    `json:"late"`
		Finished  int64    `json:"finished"`
		Backup    *string  `json:"backup"`
		Again     bool     `json:"again"`
		Writers   bool     `json:"old_file_open"`
		Notes     []string `json:"notes"`
	}{File: name, DryRun: in.set["n"], Right: r.Right(), Records: r.Records, Damaged: r.Parts, Parts: []part{}, Bytes: r.Bytes, Torn: r.Torn,
		Converted: r.Converted, Moved: r.Moved, Unfit: r.Unfit, Late: r.Late, Finished: r.Finished, Again: r.Again, Writers: r.Writers, Notes: append([]string{}, r.Notes...)}
	if r.Layout != nil {
		out.Layout = r.Layout.Name()
	}
	for _, d := range r.Damage {
		out.Parts = append(out.Parts, part{d.From, d.To, d.Records})
	}
	if r.Backup != "" {
		out.Backup = &r.Backup
	}
	return printJSON(in.stdout, "", out)
}
