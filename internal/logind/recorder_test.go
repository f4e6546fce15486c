// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/snapshot"
	"utmpd.dev/utmpd/utmpx"
)

// onlyRecord is a utmpx file with one record, which pututxline would replace.
type onlyRecord struct {
	at      utmpx.Record
	written []utmpx.Record
	over    utmpx.Record // it was told to replace
}

func (f *onlyRecord) Snapshot(*snapshot.Snapshot) (*snapshot.Snapshot, error) { panic("not used") }

func (f *onlyRecord) Swap(context.Context, snapshot.Generation, []recfile.Swap) ([]bool, error) {
	panic("not used")
}

func (f *onlyRecord) PutUnless(_ context.Context, r, over utmpx.Record, taken func(utmpx.Record) bool) (int, error) {
	f.over = over
	if taken(f.at) {
		return 0, recfile.ErrTaken
	}
	f.written = append(f.written, r)
	return 0, nil
}

// Between the decision and the lock, somebody may have written: what is there then counts.
func TestRecordUnderTheLock(t *testing.T) {
	raw := func(r utmpx.Record) utmpx.Record {
		t.Helper()
		layout := utmpx.Native()
		text, err := layout.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		return layout.Decode(string(text))
	}
	getty := raw(record(utmpx.LoginProcess, 100, "tty1", "1"))
	another := raw(record(utmpx.LoginProcess, 90, "tty1", "1"))
	login := raw(record(utmpx.UserProcess, 100, "tty1", "1"))
	it := seat()
	for _, c := range []struct {
		name  string
		kind  Kind
		at    utmpx.Record
		ended bool // the session is over meanwhile
		want  bool
	}{
		{name: "the getty's record that was judged", kind: TakeOver, at: getty, want: true},
		{name: "its owner has written meanwhile", kind: TakeOver, at: login},
		{name: "another getty's record meanwhile", kind: TakeOver, at: another},
		{name: "a getty's record, where there was none", kind: Write, at: getty},
		{name: "the owner's, where there was none", kind: Write, at: login},
		{name: "nothing", kind: Write, want: true},
		{name: "the session is over", kind: Write, ended: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &onlyRecord{at: c.at}
			r := NewRecorder(Options{File: f, Machine: Machine{Lives: func(Session) (time.Time, bool) { return time.Time{}, !c.ended }}})
			r.known = map[identity]Session{it.identity(): it}
			o := Order{Kind: c.kind, Was: getty, Record: login, key: key{it.ID, it.Leader, it.Since.UnixMicro(), "tty1", 0, 0}}
			written, err := r.put(t.Context(), o, login)
			if err != nil || written != c.want || len(f.written) > 0 != c.want {
				t.Errorf("written %v (%v), error %v", written, f.written, err)
			}
			if (f.over.Raw() == getty.Raw()) != (c.kind == TakeOver) {
				t.Errorf("written over %v", f.over)
			}
		})
	}
}

// TestSeeJobs: sessions in which nobody has logged in are no news, and those in which somebody
// has are, also when they change.
func TestSeeJobs(t *testing.T) {
	r := NewRecorder(Options{})
	job := Session{ID: "c1", Path: "/c1", Service: "cron", Class: "background", User: "root", Leader: 20}
	login := Session{ID: "7", Path: "/7", Service: "sshd", Class: "user", User: "alice", Leader: 30}
	changed := login
	changed.TTY = "pts/3"
	for i, step := range []struct {
		view View
		news bool
	}{
		{View{Known: true, Sessions: []Session{job}}, true},
		{View{Known: true}, false},
		{View{Known: true, Sessions: []Session{login}}, true},
		{View{Known: true, Sessions: []Session{login, job}}, false},
		{View{Known: true, Sessions: []Session{changed, job}}, true},
		{View{Known: true, Sessions: []Session{changed}}, false},
		{View{Sessions: []Session{changed}}, true},
	} {
		r.See(step.view)
		select {
		case <-r.news:
			if !step.news {
				t.Errorf("step %d is news", i)
			}
		default:
			if step.news {
				t.Errorf("step %d is no news", i)
			}
		}
		if !r.view.equal(step.view) {
			t.Errorf("step %d: the view is %+v", i, r.view)
		}
	}
}
