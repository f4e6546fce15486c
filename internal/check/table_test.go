// SPDX-License-Identifier: BSD-2-Clause

package check

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"utmpd.dev/utmpd/internal/lastlog"
	"utmpd.dev/utmpd/utmpx"
)

func TestTable(t *testing.T) {
	slot := func(id, line string, pid int32) utmpx.Record {
		r := in(line, pid, 100)
		r.ID = id
		return r
	}
	typed := func(r utmpx.Record, typ utmpx.Type) utmpx.Record { r.Type = typ; return r }
	// Processes of less than 100 live; 30 is a child of 20.
	on := &Machine{
		Alive:  func(pid int32) bool { return pid < 100 },
		Led:    func(names []string) (all []bool) { return append(all, make([]bool, len(names))...) },
		Within: func(pid, of int32) bool { return pid == 30 && of == 20 },
	}
	const size = 384
	tests := []struct {
		name string
		recs []utmpx.Record
		raw  func([]byte)
		want []brief
	}{
		{"right", []utmpx.Record{boot(0), slot("/0", "pts/0", 10), slot("/1", "pts/1", 11), typed(slot("/2", "pts/2", 500), utmpx.DeadProcess)}, nil, nil},
		{"systemd's end without a time", []utmpx.Record{boot(0), {Type: utmpx.DeadProcess, PID: 500, Line: "tty1", ID: "tty1"}, slot("/1", "pts/1", 11)}, nil, nil},
		{"dead", []utmpx.Record{boot(0), slot("/0", "pts/0", 500)}, nil, []brief{{DeadProcess, Warning, size, 2 * size}}},
		{"a display's program may end", []utmpx.Record{boot(0), slot(":0", ":0", 500), slot("tty7", "tty7", 501)}, nil, nil},
		{"a session without a process", []utmpx.Record{slot("/0", "pts/0", 0)}, nil, nil},
		{"one id", []utmpx.Record{slot("/0", "pts/0", 10), slot("/0", "pts/100", 11)}, nil, []brief{{SameID, Warning, size, 2 * size}}},
		{"one id, one ended", []utmpx.Record{slot("/0", "pts/0", 10), typed(slot("/0", "pts/100", 11), utmpx.DeadProcess)}, nil, []brief{{SameID, Note, size, 2 * size}}},
		{"one line", []utmpx.Record{slot("/0", "pts/0", 10), slot("x0", "pts/0", 11)}, nil, []brief{{SameLine, Warning, size, 2 * size}}},
		{"login within a session", []utmpx.Record{slot("/0", "pts/0", 20), slot("x0", "pts/0", 30)}, nil, []brief{{SameLine, Note, size, 2 * size}}},
		{"one line, one dead", []utmpx.Record{slot("/0", "pts/0", 500), slot("x0", "pts/0", 30)}, nil, []brief{{DeadProcess, Warning, 0, size}}},
		{"zap", []utmpx.Record{boot(0), slot("/0", "pts/0", 10), slot("/1", "pts/1", 11)}, func(b []byte) { clear(b[size : 2*size]) }, []brief{{Zeroed, Warning, size, 2 * size}}},
		{"nothing yet at the end", []utmpx.Record{boot(0), slot("/0", "pts/0", 10)}, func(b []byte) { clear(b[size:]) }, []brief{{Zeroed, Note, size, 2 * size}}},
		{"without a user", []utmpx.Record{slot("/0", "pts/0", 10)}, func(b []byte) { clear(b[44:76]) }, []brief{{Blanked, Warning, 0, size}}},
		{"without a time", []utmpx.Record{slot("/0", "pts/0", 10)}, func(b []byte) { clear(b[340:348]) }, []brief{{Blanked, Warning, 0, size}}},
		{"no type", []utmpx.Record{boot(0), slot("/0", "pts/0", 10)}, func(b []byte) { b[size] = 77 }, []brief{{Damage, Error, size, 2 * size}}},
		{"nothing", nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := encode(t, layout, tt.recs...)
			if tt.raw != nil {
				tt.raw(b)
			}
			var recs []utmpx.Record
			for part := range slices.Chunk(b, size) {
				recs = append(recs, layout.Decode(string(part)))
			}
			var got []Finding
			Table(recs, on, func(f Finding) { got = append(got, f) })
			if diff := cmp.Diff(tt.want, briefs(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			Table(recs, nil, func(f Finding) {
				if f.Kind == DeadProcess || f.Kind == SameLine && f.Severity > Note {
					t.Errorf("of another machine: %+v", f)
				}
			})
		})
	}
}

func TestAccess(t *testing.T) {
	owner := func(mode fs.FileMode, uid, gid uint32) Owner {
		return Owner{Mode: mode, UID: uid, GID: gid, Group: 43, HasGroup: true}
	}
	link := func(o Owner, uid uint32) Owner { o.Linked, o.LinkUID = true, uid; return o }
	bare := func(o Owner) Owner { o.HasGroup = false; return o }
	solaris := func(o Owner) Owner { o.Solaris = true; return o }
	tests := []struct {
		name string
		file File
		o    Owner
		want []brief
	}{
		{"utmp of Debian", UtmpxFile, owner(0o664, 0, 43), nil},
		{"wtmp", WtmpxFile, owner(0o664, 0, 43), nil},
		{"wtmp that programs of root write", WtmpxFile, owner(0o644, 0, 0), nil},
		{"btmp of Debian", BtmpFile, owner(0o660, 0, 43), nil},
		{"btmp of RHEL", BtmpFile, owner(0o600, 0, 43), nil},
		{"lastlog", LastlogFile, owner(0o664, 0, 43), nil},
		{"no group utmp", UtmpxFile, bare(owner(0o644, 0, 0)), nil},
		{"illumos", WtmpxFile, solaris(owner(0o644, 4, 4)), nil},
		{"root's link", WtmpxFile, link(owner(0o664, 0, 43), 0), nil},
		{"a user's link", WtmpxFile, link(owner(0o664, 0, 43), 1000), []brief{{Link, Error, 0, 0}}},
		{"everybody writes", WtmpxFile, owner(0o666, 0, 43), []brief{{WrongMode, Error, 0, 0}}},
		{"everybody reads btmp", BtmpFile, owner(0o664, 0, 43), []brief{{WrongMode, Error, 0, 0}}},
		{"a user's", WtmpxFile, owner(0o644, 1000, 43), []brief{{WrongMode, Warning, 0, 0}}},
		{"another group's", WtmpxFile, owner(0o664, 0, 100), []brief{{WrongMode, Warning, 0, 0}}},
		{"a program", WtmpxFile, owner(0o775, 0, 43), []brief{{WrongMode, Warning, 0, 0}}},
		{"nobody writes", WtmpxFile, owner(0o444, 0, 43), []brief{{WrongMode, Warning, 0, 0}}},
		{"terminals cannot write utmp", UtmpxFile, owner(0o644, 0, 0), []brief{{WrongMode, Note, 0, 0}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []Finding
			Access(tt.file, tt.o, func(f Finding) { got = append(got, f) })
			if diff := cmp.Diff(tt.want, briefs(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLastlog(t *testing.T) {
	for _, form := range lastlog.Forms() {
		size := form.Size()
		record := func(sec uint64, line, host string) []byte {
			b := make([]byte, size)
			if form.Time == 4 {
				form.Order.PutUint32(b, uint32(sec))
			} else {
				form.Order.PutUint64(b, sec)
			}
			copy(b[form.Time:], line)
			copy(b[form.Time+form.Line:], host)
			return b
		}
		good := record(start, "pts/0", "desk")
		b := slices.Concat(good, make([]byte, 3*size), record(start+5, "tty1", ""), record(0, "pts/3", "desk"), record(start, "pts/\x1b", ""), good)
		var got []Finding
		l := NewLastlog([]lastlog.Sample{{Bytes: b}}, int64(len(b)), fixed(100), func(f Finding) { got = append(got, f) })
		if l.form != form {
			t.Errorf("form %+v taken for %+v", form, l.form)
			continue
		}
		for uid := range int64(len(b) / size) {
			l.Record(uid, b[uid*int64(size):(uid+1)*int64(size)])
		}
		want := []brief{{Blanked, Error, 5 * int64(size), 6 * int64(size)}, {Damage, Error, 6 * int64(size), 7 * int64(size)}}
		if diff := cmp.Diff(want, briefs(got)); diff != "" {
			t.Errorf("%+v (-want +got)\n%s", form, diff)
		}
	}
}

// FuzzLastlog: whatever the bytes are, nothing fails.
func FuzzLastlog(f *testing.F) {
	f.Add(make([]byte, 600), int64(292))
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		l := NewLastlog([]lastlog.Sample{{At: max(0, at), Bytes: b}}, int64(len(b)), fixed(0), func(x Finding) {
			if x.Text == "" || x.Advice == "" {
				t.Errorf("%+v", x)
			}
		})
		for part := range slices.Chunk(b, l.Size()) {
			if len(part) == l.Size() {
				l.Record(1, part)
			}
		}
	})
}
