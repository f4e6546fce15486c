// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// listening is a Source at work, in a bubble.
type listening struct {
	t    *testing.T
	f    *fake
	wake chan struct{}

	mu  sync.Mutex
	all []View
}

// listenTo starts a Source and waits until nothing moves. The bubble ends it.
func listenTo(t *testing.T, f *fake) *listening {
	l := &listening{t: t, f: f, wake: make(chan struct{})}
	s := &Source{Address: "/bus", Wake: l.wake, dial: f.dial}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx, l.add) }()
	t.Cleanup(func() { cancel(); <-done; f.hangUp(); synctest.Wait() })
	synctest.Wait()
	return l
}

func (l *listening) add(v View) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, v)
}

// views returns how many there were.
func (l *listening) views() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

func (l *listening) view() View {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return View{}
	}
	return l.all[len(l.all)-1]
}

// knows checks that logind answers, and has these sessions.
func (l *listening) knows(what string, want ...Session) {
	l.t.Helper()
	v := l.view()
	if !v.Known || v.Err != nil {
		l.t.Errorf("%s: not known: %v", what, v.Err)
	}
	if diff := cmp.Diff(slices.Clip(want), v.Sessions); len(want)+len(v.Sessions) > 0 && diff != "" {
		l.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// doubts checks that logind is known not to answer, and that nothing was forgotten.
func (l *listening) doubts(what string, want ...Session) {
	l.t.Helper()
	v := l.view()
	if v.Known || v.Err == nil {
		l.t.Errorf("%s: known, error %v", what, v.Err)
	}
	if diff := cmp.Diff(slices.Clip(want), v.Sessions); len(want)+len(v.Sessions) > 0 && diff != "" {
		l.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// in runs a test in a bubble.
func in(t *testing.T, f *fake, test func(l *listening)) {
	synctest.Test(t, func(t *testing.T) { test(listenTo(t, f)) })
}

var (
	first, second, third = one("1", 101), one("2", 102), one("3", 103)
)

func TestSessionsBeginChangeAndEnd(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		l.knows("those that were there", first)
		l.f.begin(second)
		l.knows("one began", first, second)
		changed := second
		changed.TTY, changed.VT, changed.Seat, changed.Display, changed.RemoteHost = "tty2", 2, "seat0", ":0", "192.0.2.1"
		l.f.change(changed)
		l.knows("its properties changed", first, changed)
		l.f.end(first)
		l.knows("one ended", changed)
		views := l.views()
		l.f.end(third)
		l.f.do(func() { l.f.tell(propertiesChanged(l.f.owner, third)) })
		l.f.do(func() { l.f.tell(signal(l.f.owner, object, manager+".UserNew", "x")) })
		l.knows("what changed nothing", changed)
		if l.views() != views {
			t.Errorf("%d views of no change", l.views()-views)
		}
	})
}

func TestSessionEndsBeforeItIsLookedAt(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		l.f.do(func() { l.f.tell(sessionNew(l.f.owner, second)) })
		l.knows("a session that is gone", first)
	})
}

// Logind may refuse to tell of one session, with whatever error: the others are known.
func TestOneSessionFails(t *testing.T) {
	for _, name := range []string{driver + ".Error.UnknownObject", driver + ".Error.Failed", driver + ".Error.AccessDenied", "System.Error.ENXIO", service + ".NoSuchSession"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(first, second, third)
			f.odd = map[string]string{second.Path: name}
			in(t, f, func(l *listening) {
				l.knows("one of three fails", first, third)
				if len(l.f.dials) != 1 {
					t.Errorf("connected %d times", len(l.f.dials))
				}
				l.f.do(func() { l.f.odd = nil })
				l.f.change(second)
				l.f.begin(second)
				l.knows("afterwards", first, second, third)
				l.f.do(func() { l.f.odd = map[string]string{second.Path: driver + ".Error.LimitsExceeded"} })
				l.f.change(second)
				l.knows("no answer for one that is known", first, second, third)
			})
		})
	}
}

// What logind has refused to tell of a session it may tell later: it is asked again, for a
// minute, and when it says that something has changed.
func TestRefusedAtFirst(t *testing.T) {
	asked := func(f *fake) (n int) {
		f.do(func() { n = strings.Count(strings.Join(f.calls, " "), "GetAll") })
		return n
	}
	for _, name := range []string{driver + ".Error.LimitsExceeded", "System.Error.ENXIO"} {
		t.Run(name, func(t *testing.T) {
			f := newFake(first)
			f.odd = map[string]string{first.Path: name, second.Path: name}
			in(t, f, func(l *listening) {
				l.knows("one that was there is refused")
				l.f.begin(second)
				l.knows("one that began is, too")
				l.f.do(func() { l.f.odd = nil })
				time.Sleep(2 * perhaps)
				l.knows("no more", first, second)
				calls := asked(l.f)
				time.Sleep(24 * time.Hour)
				if now := asked(l.f); now != calls {
					t.Errorf("asked %d times more", now-calls)
				}
			})
		})
	}
	t.Run("for ever", func(t *testing.T) {
		f := newFake(first)
		f.odd = map[string]string{second.Path: driver + ".Error.AccessDenied"}
		in(t, f, func(l *listening) {
			l.f.begin(second)
			time.Sleep(24 * time.Hour)
			l.knows("the others", first)
			if n := asked(l.f); n < 4 || n > 12 {
				t.Errorf("asked %d times in a day", n)
			}
			l.f.do(func() { l.f.odd = nil })
			l.f.change(second)
			l.knows("once it has changed", first, second)
		})
	})
	t.Run("and gone", func(t *testing.T) {
		f := newFake(first)
		f.odd = map[string]string{second.Path: driver + ".Error.AccessDenied"}
		in(t, f, func(l *listening) {
			l.f.begin(second)
			l.f.end(second)
			l.knows("the other", first)
			calls := asked(l.f)
			time.Sleep(time.Hour)
			if now := asked(l.f); now != calls {
				t.Errorf("asked %d times more", now-calls)
			}
		})
	})
}

// The bus may refuse a call itself, by its policy: that is an answer, and no silence.
func TestRefusedByTheBus(t *testing.T) {
	f := newFake(first, second)
	f.odd, f.busSays = map[string]string{second.Path: driver + ".Error.AccessDenied"}, true
	in(t, f, func(l *listening) {
		began := time.Now()
		l.knows("one of two is refused", first)
		if len(l.f.dials) != 1 || time.Since(began) >= patience {
			t.Errorf("connected %d times, in %v", len(l.f.dials), time.Since(began))
		}
	})
}

// Every user of the machine can send such to one connection. Only the sender is the bus's.
func TestForged(t *testing.T) {
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"end of a session", sessionRemoved(":1.66", first)},
		{"end of a session, in logind's name", sessionRemoved(service, first)},
		{"end of logind", ownerChanged(":1.66", ":1.5", "")},
		{"other owner", ownerChanged(":1.66", ":1.5", ":1.66")},
		{"end of logind, by logind", ownerChanged(":1.5", ":1.5", "")},
		{"end of a session, by the bus", sessionRemoved(driver, first)},
		{"no sender", signal("", object, manager+".SessionRemoved", "1", dbus.ObjectPath(first.Path))},
		{"reply to nothing", replyTo(1, ":1.5", "", "x")},
		{"message that is too large", oversized()},
		{"message with flags that are not known", oddFlags()},
		{"removal without a body", signal(":1.5", object, manager+".SessionRemoved")},
		{"removal with numbers", signal(":1.5", object, manager+".SessionRemoved", uint32(1), uint32(2))},
		{"change of owner without a body", signal(driver, object, driver+".NameOwnerChanged")},
	} {
		t.Run(c.name, func(t *testing.T) {
			in(t, newFake(first), func(l *listening) {
				l.f.do(func() { l.f.tell(c.text) })
				l.knows("after it", first)
				l.f.begin(second)
				l.knows("and what comes next is heard", first, second)
				if len(l.f.dials) != 1 {
					t.Errorf("connected %d times", len(l.f.dials))
				}
			})
		})
	}
}

// A reply counts only from whom was called.
func TestForgedReply(t *testing.T) {
	f := newFake(first)
	f.before["GetAll"] = func(l *line) {
		for serial := uint32(1); serial < 20; serial++ {
			l.out <- replyTo(serial, ":1.66", "", map[string]dbus.Variant{"Id": dbus.MakeVariant("9")})
			l.out <- replyTo(serial, ":1.66", driver+".Error.UnknownObject")
		}
	}
	in(t, f, func(l *listening) { l.knows("after forged replies", first) })
}

// While somebody sends without a pause, what logind says is reported all the same.
func TestFlood(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		l.f.do(func() {
			for range 3 * queueMost {
				l.f.tell(sessionRemoved(":1.66", first))
			}
		})
		l.f.begin(second)
		l.knows("after a flood", first, second)
	})
}

func TestLogindRestarts(t *testing.T) {
	in(t, newFake(first, second), func(l *listening) {
		l.f.stop()
		l.doubts("logind is away", first, second)
		again := one("1", 201) // an id used anew
		l.f.start(":1.9", again, third)
		l.knows("another logind", again, third)
		l.f.do(func() { l.f.tell(sessionRemoved(":1.5", again)) })
		l.knows("a late word of the one before", again, third)
		if again.identity() == first.identity() {
			t.Error("another session with the same id is the same")
		}
	})
}

func TestLogindComesLate(t *testing.T) {
	f := newFake()
	f.owner = ""
	in(t, f, func(l *listening) {
		l.doubts("no logind")
		calls := len(f.calls)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(f.calls) != calls || len(f.dials) != 1 {
			t.Errorf("%d calls and %d connections in a day without logind", len(f.calls)-calls, len(f.dials)-1)
		}
		f.start(":1.7", first)
		l.knows("it came", first)
	})
}

func TestBusRestarts(t *testing.T) {
	in(t, newFake(first, second), func(l *listening) {
		l.f.do(func() { l.f.owner = "" }) // logind stays off the bus until it restarts
		l.f.hangUp()
		l.doubts("the bus is away", first, second)
		time.Sleep(perhaps)
		l.doubts("it is there again, logind is not", first, second)
		l.f.start(":1.2", second)
		l.knows("logind as well", second)
	})
}

func TestNoBus(t *testing.T) {
	f := newFake(first)
	f.refuse = &net.OpError{Op: "dial", Err: &fs.PathError{Op: "connect", Path: "/bus", Err: syscall.ENOENT}}
	in(t, f, func(l *listening) {
		l.doubts("no bus")
		time.Sleep(24 * time.Hour)
		if len(f.dials) != 1 {
			t.Errorf("looked for %d times in a day", len(f.dials))
		}
		views := l.views()
		for range 3 {
			l.wake <- struct{}{}
			l.doubts("no bus yet")
		}
		if l.views() != views {
			t.Errorf("%d views of no change", l.views()-views)
		}
		f.do(func() { f.refuse = nil })
		l.wake <- struct{}{}
		l.knows("it came", first)
	})
}

func TestBusRefuses(t *testing.T) {
	f := newFake(first)
	f.refuse = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	in(t, f, func(l *listening) {
		time.Sleep(time.Hour)
		l.doubts("it refuses")
		if n := len(f.dials); n < 60 || n > 70 {
			t.Errorf("tried %d times in an hour", n)
		}
		f.do(func() { f.refuse = nil })
		time.Sleep(seldom)
		l.knows("it takes us", first)
	})
}

var steps = []string{"AUTH", "Hello", "AddMatch", "GetNameOwner", "ListSessions", "GetAll"}

// Whatever goes wrong at whichever step: Run goes on within seconds, and is right again
// once it goes right.
func TestFaults(t *testing.T) {
	half := signal(":1.5", object, manager+".SessionNew", "1", dbus.ObjectPath(first.Path))
	for _, c := range []struct {
		name string
		set  func(f *fake, step string)
	}{
		{"stalls", func(f *fake, step string) { f.stall[step] = true }},
		{"cut", func(f *fake, step string) { f.cut[step] = true }},
		{"text", func(f *fake, step string) { f.garbage[step] = "HTTP/1.1 400 Bad Request\r\n\r\n" }},
		{"half a line", func(f *fake, step string) { f.garbage[step] = "OK " }},
		{"a line without end", func(f *fake, step string) { f.garbage[step] = strings.Repeat("OK", 1<<16) }},
		{"half a message", func(f *fake, step string) { f.garbage[step] = string(half[:len(half)/2]) }},
		{"a header without end", func(f *fake, step string) { f.garbage[step] = string(manyFields()) }},
		{"zeros", func(f *fake, step string) { f.garbage[step] = string(make([]byte, 4096)) }},
		{"denied", func(f *fake, step string) { f.denied[step] = driver + ".Error.AccessDenied" }},
		{"limits", func(f *fake, step string) { f.denied[step] = driver + ".Error.LimitsExceeded" }},
	} {
		for _, step := range steps {
			if (c.name == "denied" || c.name == "limits") && (step == "AUTH" || step == "GetAll") {
				continue // no call; see TestOneSessionFails
			}
			t.Run(c.name+" at "+step, func(t *testing.T) {
				f := newFake(first)
				c.set(f, step)
				in(t, f, func(l *listening) {
					time.Sleep(2*patience + 2*perhaps)
					l.doubts("while it fails")
					f.do(func() { clear(f.stall); clear(f.cut); clear(f.garbage); clear(f.denied) })
					time.Sleep(seldom)
					l.knows("afterwards", first)
				})
			})
		}
	}
}

// A logind that hangs later, when all is known, hangs nobody.
func TestLogindHangsLater(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		l.f.do(func() { l.f.stall["GetAll"] = true })
		l.f.begin(second)
		time.Sleep(patience)
		l.doubts("it hangs", first)
		l.f.do(func() { clear(l.f.stall) })
		time.Sleep(seldom)
		l.knows("it goes on", first, second)
	})
}

// A message that has begun must come.
func TestHalfAMessageAtRest(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		text := sessionNew(":1.5", second)
		l.f.do(func() { l.f.tell(text[:len(text)-1]) })
		time.Sleep(patience - 1)
		l.knows("it may still come", first)
		time.Sleep(time.Nanosecond)
		l.doubts("it did not", first)
		time.Sleep(perhaps)
		l.knows("over another connection", first)
	})
}

// A logind that has released its name says something more.
func TestLastWords(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		l.f.do(func() {
			l.f.before["GetAll"] = func(ln *line) {
				ln.out <- ownerChanged(driver, ":1.5", "")
				ln.out <- sessionRemoved(":1.5", first)
			}
		})
		l.f.begin(second)
		l.doubts("logind is away", first, second)
	})
}

// More signals than are kept while a reply is awaited: all is listed anew.
func TestOverflow(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		l.f.do(func() {
			l.f.before["GetAll"] = func(ln *line) {
				delete(l.f.before, "GetAll")
				for range queueMost {
					ln.out <- sessionNew(":1.5", second)
				}
				delete(l.f.sessions, first.Path)
				ln.out <- sessionRemoved(":1.5", first) // this one is lost
			}
		})
		l.f.begin(second)
		l.knows("after the overflow", second)
		lists := 0
		for _, member := range l.f.calls {
			if member == "ListSessions" {
				lists++
			}
		}
		if lists != 2 {
			t.Errorf("listed %d times", lists)
		}
	})
}

// The list is younger than a removal that came before it.
func TestRemovedBeforeTheList(t *testing.T) {
	f := newFake(first)
	f.before["ListSessions"] = func(l *line) { l.out <- sessionRemoved(":1.5", first) }
	in(t, f, func(l *listening) { l.knows("an id used anew while it was listed", first) })
}

// Signals that come while a session is looked at are handled in their order.
func TestOrder(t *testing.T) {
	in(t, newFake(), func(l *listening) {
		l.f.do(func() {
			l.f.before["GetAll"] = func(ln *line) {
				delete(l.f.before, "GetAll")
				ln.out <- sessionRemoved(":1.5", first)
				ln.out <- sessionNew(":1.5", first)
				ln.out <- sessionNew(":1.5", second)
				ln.out <- sessionRemoved(":1.5", second)
				l.f.sessions[second.Path] = second
			}
		})
		l.f.begin(first)
		l.knows("in order", first)
	})
}

// The bus drops signals for whoever reads too slowly. Each wake heals that.
func TestLostSignals(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		l.f.do(func() { delete(l.f.sessions, first.Path); l.f.sessions[second.Path] = second })
		l.knows("nobody told", first)
		l.wake <- struct{}{}
		l.knows("woken", second)
	})
}

func TestAtRestNothingIsAsked(t *testing.T) {
	in(t, newFake(first), func(l *listening) {
		calls, views := len(l.f.calls), l.views()
		time.Sleep(7 * 24 * time.Hour)
		synctest.Wait()
		if len(l.f.calls) != calls || l.views() != views || len(l.f.dials) != 1 {
			t.Errorf("%d calls, %d views, %d connections in a week", len(l.f.calls)-calls, l.views()-views, len(l.f.dials)-1)
		}
	})
}

// TestUnixSocket is the same over a real socket.
func TestUnixSocket(t *testing.T) {
	f := newFake(first)
	address := serveAt(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	views := make(chan View)
	done := make(chan struct{})
	s := &Source{Address: address}
	go func() {
		defer close(done)
		s.Run(ctx, func(v View) {
			select {
			case views <- v:
			case <-ctx.Done():
			}
		})
	}()
	next := func(known bool, want ...Session) {
		t.Helper()
		v := <-views
		if v.Known != known || !slices.Equal(v.Sessions, want) {
			t.Errorf("view %+v, want %v %+v", v, known, want)
		}
	}
	next(true, first)
	f.begin(second)
	next(true, first, second)
	f.end(first)
	next(true, second)
	f.stop()
	next(false, second)
	f.start(":1.8", third)
	next(true, third)
	f.hangUp()
	next(false, third)
	next(true, third) // it connects again by itself
	cancel()
	<-done
}

// serveAt serves a fake at a socket until the test ends.
func serveAt(t *testing.T, f *fake) (address string) {
	address = filepath.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.do(func() { f.serve(conn) })
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-served
	})
	return address
}

// From another pid namespace, logind's process numbers mean other processes, or none.
func TestBusElsewhere(t *testing.T) {
	f := newFake(first)
	address := serveAt(t, f)
	for _, c := range []struct {
		name  string
		flags uintptr
		want  string
	}{
		{"this namespace", syscall.CLONE_NEWUSER, "true <nil>\n"},
		{"another one", syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID, "false " + errElsewhere.Error() + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), askVar+"="+address)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: c.flags, UidMappings: []syscall.SysProcIDMap{{Size: 1, HostID: os.Getuid()}}}
			out, err := cmd.CombinedOutput()
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
				if os.Getenv("CI") != "" {
					t.Fatalf("this test needs user namespaces: %v", err)
				}
				t.Skipf("this test needs user namespaces: %v", err)
			}
			if err != nil || string(out) != c.want {
				t.Errorf("%q, error %v, want %q", out, err, c.want)
			}
		})
	}
}

// askVar makes the test binary tell what the bus at this address makes known.
const askVar = "UTMPD_TEST_LOGIND_BUS"

func ask(address string) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Source{Address: address}
	s.Run(ctx, func(v View) {
		if ctx.Err() == nil {
			fmt.Println(v.Known, v.Err)
		}
		cancel()
	})
}

func TestMissingSocket(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &Source{Address: filepath.Join(t.TempDir(), "none")}
	var got View
	s.Run(ctx, func(v View) { got = v; cancel() })
	if got.Known || !errors.Is(got.Err, fs.ErrNotExist) {
		t.Errorf("view %+v", got)
	}
}
