// SPDX-License-Identifier: BSD-2-Clause

package status

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// disk notes when what is written, and fails as it is told.
type disk struct {
	start time.Time

	mu    sync.Mutex
	err   error
	wrote []string // "SECONDS VALUE"
	told  []error
}

func (d *disk) write(s Status) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrote = append(d.wrote, time.Since(d.start).String()+" "+s.Version)
	return d.err
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, err)
}

func (d *disk) setErr(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// take returns what was written and told since the last call.
func (d *disk) take() ([]string, []error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, e := d.wrote, d.told
	d.wrote, d.told = nil, nil
	return w, e
}

func one(v string) Status { return Status{Version: v} }

func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{start: time.Now()}
		w := NewWriter(d.write, d.fail)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx)
		}()
		want := func(name string, wrote []string, told ...error) {
			t.Helper()
			gotWrote, gotTold := d.take()
			if diff := cmp.Diff(wrote, gotWrote); diff != "" {
				t.Errorf("%s: written (-want +got)\n%s", name, diff)
			}
			if len(told) != len(gotTold) || len(told) > 0 && !errors.Is(gotTold[0], told[0]) {
				t.Errorf("%s: told %v, want %v", name, gotTold, told)
			}
		}
		pass := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		pass(time.Second)
		want("nothing said", nil)

		w.Set(one("1"), false)
		synctest.Wait()
		want("at once", []string{"1s 1"})
		for i := range 300 { // over three seconds
			pass(10 * time.Millisecond)
			w.Set(one(strconv.Itoa(i)), false)
		}
		pass(2 * time.Second)
		want("coalesced", []string{"2s 98", "3s 198", "4s 298", "5s 299"})

		w.Set(one("299"), false)
		pass(5 * time.Second)
		want("unchanged", nil)

		full := errors.New("no space")
		d.setErr(full)
		for i := range 11 {
			w.Set(one("x"+strconv.Itoa(i)), false)
			pass(time.Second)
		}
		want("failing", []string{"11s x0", "21s x9"}, full)
		d.setErr(nil)
		pass(14 * time.Second)
		want("works again", []string{"31s x10"}, nil)

		w.Set(one("works"), false)
		synctest.Wait()
		w.Set(Status{Version: "turned", State: Running}, false)
		synctest.Wait()
		w.Set(Status{Version: "more", State: Running}, false)
		pass(time.Second)
		want("another state", []string{"36s works", "36s turned", "37s more"})
		pass(time.Second)

		w.Set(Status{Version: "seen", State: Running}, true)
		pass(10 * time.Millisecond)
		w.Set(Status{Version: "asked", State: Running}, true)
		pass(10 * time.Millisecond)
		w.Set(Status{Version: "watched", State: Running}, true)
		pass(5 * time.Second)
		want("with what follows", []string{"38.05s watched"})

		w.Set(one("2"), false)
		synctest.Wait()
		w.Set(one("3"), false)
		cancel()
		<-done
		want("the end", []string{"43.02s 2", "43.02s 3"})
	})
}
