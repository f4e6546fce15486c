// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package vm

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience limits each single step. No result depends on the speed of the machine: an
// emulated one may take minutes to boot on a busy host.
const patience = 10 * time.Minute

// machine is one emulated PC. Its two disks survive its boots.
type machine struct {
	t     *testing.T
	image string
	init  string    // what the kernel starts from the next boot on, if not /sbin/init
	rtc   time.Time // if set, the clock's time at the next boot; see ownTime
	dir   string

	pid    int           // process ID of the emulator
	ended  chan struct{} // closed when the emulator has ended
	agent  net.Conn
	in     *bufio.Reader
	serial *terminal // the second serial line, with a getty
	screen *screen   // and keyboard
	boot   string    // the boot ID
	ahead  span      // the guest's clock minus the host's
}

// span is a time that is known to lie between two bounds.
type span struct{ min, max time.Duration }

// reply is a reply of the agent.
type reply struct {
	Boot   string
	Now    time.Time
	Exit   int
	Output []byte
	Errors []byte
}

// newMachine creates the disks as overlays of the system's images.
func newMachine(t *testing.T, system string) *machine {
	m := &machine{t: t, image: host.images[system]}
	var err error
	if m.dir, err = os.MkdirTemp(host.dir, "m"); err != nil {
		t.Fatal(err)
	}
	for _, disk := range []string{"root", "var"} {
		if _, err := output(host.tools+"/run", "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw",
			"-b", filepath.Join(m.image, disk+".img"), m.path(disk)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		m.kill()
		if t.Failed() {
			m.tellConsole()
		}
		os.RemoveAll(m.dir)
	})
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// arguments returns the emulator's arguments. Data that the guest has written to a disk is on
// the host, as on a disk that keeps what it has acknowledged. Data that is still in the
// guest's memory is lost with the guest.
func (m *machine) arguments() []string {
	share := filepath.Join(host.tools, "root/usr/share")
	kernel := "root=/dev/vda rw console=ttyS0 quiet mitigations=off systemd.show_status=1 systemd.default_timeout_start_sec=1h systemd.default_device_timeout_sec=1h"
	if m.init != "" {
		kernel += " init=" + m.init
	}
	args := []string{
		"qemu-system-x86_64", "-L", share + "/qemu", "-L", share + "/seabios",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35", "-accel", "tcg,tb-size=256", "-cpu", "qemu64", "-smp", "1", "-m", "512", "-rtc", "base=utc",
		"-kernel", m.image + "/vmlinuz", "-initrd", m.image + "/initrd",
		"-append", kernel,
		"-serial", "file:" + m.path("console"),
		"-chardev", "socket,id=serial,server=on,wait=off,path=" + m.path("serial"), "-serial", "chardev:serial",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=agent,server=on,wait=off,path=" + m.path("agent"),
		"-device", "virtserialport,chardev=agent,name=agent",
		"-device", "virtio-rng-pci",
		"-device", "VGA",
		"-chardev", "socket,id=monitor,server=on,wait=off,path=" + m.path("monitor"), "-mon", "chardev=monitor,mode=readline",
	}
	if !m.rtc.IsZero() {
		args = m.ownTime(args)
	}
	for _, disk := range []string{"root", "var"} {
		args = append(args, "-drive", "if=virtio,format=qcow2,cache=writeback,file="+m.path(disk))
	}
	return args
}

// ownTime makes time in the machine depend on what it executes: 125 million instructions are
// a second, and while it waits for a timer, the clock goes on to that at once. The HPET,
// whose timers the kernel leaves running, the clock's watchdog and pressure accounting would
// all stop that often. A virtio port inside the machine is the other end of the serial line.
func (m *machine) ownTime(args []string) []string {
	args = slices.Clone(args)
	for i := range args {
		switch args[i] {
		case "-machine":
			args[i+1] += ",hpet=off"
		case "-rtc":
			args[i+1] = "base=" + m.rtc.UTC().Format("2006-01-02T15:04:05") + ",clock=vm"
		case "-append":
			args[i+1] += " tsc=reliable nowatchdog psi=0 transparent_hugepage=never"
		}
	}
	return append(args, "-icount", "shift=3,sleep=off",
		"-chardev", "socket,id=person,path="+m.path("serial"), "-device", "virtserialport,chardev=person,name=person")
}

// start switches the machine on and waits for the agent's greeting.
func (m *machine) start() {
	m.t.Helper()
	began := time.Now()
	for _, s := range []string{"agent", "serial", "monitor"} {
		os.Remove(m.path(s))
	}
	m.ended = make(chan struct{})
	started := make(chan error)
	go func() {
		defer close(m.ended)
		// The emulator is killed when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd := exec.Command(host.tools+"/run", m.arguments()...)
		log, err := os.Create(m.path("emulator"))
		if err != nil {
			started <- err
			return
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		m.pid = cmd.Process.Pid
		started <- nil
		_ = cmd.Wait() // usually killed
	}()
	if err := <-started; err != nil {
		m.t.Fatal(err)
	}
	m.agent = m.dial("agent")
	m.in = bufio.NewReaderSize(m.agent, 1<<16)
	if m.rtc.IsZero() {
		m.serial = newTerminal(m.dial("serial"))
	}
	m.screen = newScreen(m)
	hello, err := m.receive()
	if err != nil {
		m.t.Fatalf("the machine did not come up: %v\n%s", err, m.said("emulator"))
	}
	m.boot = hello.Boot
	m.t.Logf("booted in %s", time.Since(began).Round(time.Second))
}

func (m *machine) dial(name string) net.Conn {
	m.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("unix", m.path(name))
		if err == nil {
			return c
		}
		if m.off() || time.Now().After(end) {
			m.t.Fatalf("the emulator: %v\n%s", err, m.said("emulator"))
		}
	}
}

func (m *machine) off() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

func (m *machine) receive() (reply, error) {
	var r reply
	if err := m.agent.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return r, err
	}
	line, err := m.in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	return r, err
}

// try runs a shell command as root and returns its result.
func (m *machine) try(command string, input []byte) reply {
	m.t.Helper()
	b, err := json.Marshal(map[string]any{"Command": command, "Input": input})
	if err != nil {
		m.t.Fatal(err)
	}
	sent := time.Now()
	if _, err := m.agent.Write(append(b, '\n')); err != nil {
		m.t.Fatalf("%s: %v", command, err)
	}
	r, err := m.receive()
	if err != nil {
		m.t.Fatalf("%s: %v", command, err)
	}
	m.ahead = span{time.Until(r.Now), r.Now.Sub(sent)}
	return r
}

// sh runs a command that must succeed and returns its output.
func (m *machine) sh(format string, args ...any) string {
	m.t.Helper()
	command := format
	if len(args) > 0 {
		command = fmt.Sprintf(format, args...)
	}
	r := m.try(command, nil)
	if r.Exit != 0 {
		m.t.Fatalf("%s: exit status %d\n%s%s", command, r.Exit, r.Output, r.Errors)
	}
	return strings.TrimSuffix(string(r.Output), "\n")
}

// put writes a file in the guest.
func (m *machine) put(name string, mode os.FileMode, content []byte) {
	m.t.Helper()
	if r := m.try(fmt.Sprintf("cat >%s && chmod %o %s", name, mode, name), content); r.Exit != 0 {
		m.t.Fatalf("write %s: %s", name, r.Errors)
	}
}

// until repeats a command until it succeeds, and returns its output.
func (m *machine) until(what, command string) string {
	m.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		r := m.try(command, nil)
		if r.Exit == 0 {
			return strings.TrimSuffix(string(r.Output), "\n")
		}
		if time.Now().After(end) {
			m.t.Fatalf("timed out waiting for %s: %s\n%s%s", what, command, r.Output, r.Errors)
		}
	}
}

// kill cuts the power, and returns the bounds of that moment on the guest's clock.
func (m *machine) kill() (from, to time.Time) {
	if m.pid == 0 || m.off() {
		return
	}
	from = time.Now().Add(m.ahead.min)
	if err := syscall.Kill(m.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		m.t.Error(err)
	}
	<-m.ended
	to = time.Now().Add(m.ahead.max)
	m.closePorts()
	return from, to
}

// goesDown makes the guest's init shut the machine down with a command, and waits for it.
func (m *machine) goesDown(command string) {
	m.t.Helper()
	m.sh("(sleep 1; exec %s) >/dev/null 2>&1 </dev/null &", command)
	select {
	case <-m.ended:
	case <-time.After(patience):
		m.t.Fatalf("%s: the machine is still up", command)
	}
	m.closePorts()
}

func (m *machine) closePorts() {
	m.agent.Close()
	if m.serial != nil {
		m.serial.close()
	}
	m.screen.close()
}

// said returns the end of one of the emulator's output files.
func (m *machine) said(name string) string {
	b, _ := os.ReadFile(m.path(name))
	return string(b[max(0, len(b)-3000):])
}

func (m *machine) tellConsole() { m.t.Logf("the console:\n%s", m.said("console")) }

// waiting is a loop that fails the test if the awaited event does not happen.
type waiting struct {
	m    *machine
	what string
	end  time.Time
}

func (m *machine) wait(what string) *waiting {
	return &waiting{m, what, time.Now().Add(patience)}
}

// pause gives the emulator time to run.
func (w *waiting) pause() {
	w.m.t.Helper()
	if time.Now().After(w.end) {
		w.m.t.Fatalf("timed out waiting for %s", w.what)
	}
	time.Sleep(200 * time.Millisecond)
}
