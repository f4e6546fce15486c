// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// failingNotifier fails as often as it is told, and then works until ctx ends.
type failingNotifier struct{ fails int }

func (n *failingNotifier) Run(ctx context.Context, notice func()) error {
	if n.fails--; n.fails >= 0 {
		return errors.New("too many open files")
	}
	notice()
	<-ctx.Done()
	return nil
}

func (n *failingNotifier) Renew() {}

// TestLogNotifierFails: it is tried again at each periodic reading, and both the failure
// and that it works again are told once.
func TestLogNotifierFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		var looks atomic.Int64
		l := &logWatch{
			notifier: &failingNotifier{3}, look: func() { looks.Add(1) },
			notices: make(chan struct{}, 1), again: make(chan struct{}, 1),
			failed: func(err error) {
				if err == nil {
					err = errors.New("again")
				}
				told = append(told, err.Error())
			},
		}
		ctx, cancel := context.WithCancel(context.Background())
		go l.run(ctx)
		go l.pass(ctx)
		for range 3 {
			time.Sleep(time.Minute)
			l.periodic()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"too many open files", "again"}, told); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if n := looks.Load(); n != 4 {
			t.Errorf("looked %d times, want 4: three readings and a notice", n)
		}
		cancel()
		synctest.Wait()
	})
}
