// SPDX-License-Identifier: BSD-2-Clause

// Command demo shows a fleet of three machines on private files: logins, a server that is
// killed, one that loses power, a machine that crashes, and the questions. It takes the
// directory of the programs.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"utmpd.dev/utmpd/utmpx"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is a fleet.
type demo struct {
	bin, dir, addr string
	server         *exec.Cmd
	agents         map[string]*exec.Cmd
	logs           map[string]*bytes.Buffer // of the agents
	now            time.Time
}

func run(args []string) (err error) {
	if len(args) != 1 {
		return errors.New("usage: demo DIR")
	}
	d := demo{bin: args[0], agents: map[string]*exec.Cmd{}, logs: map[string]*bytes.Buffer{}, now: time.Now().Add(-2 * time.Hour)}
	if d.dir, err = os.MkdirTemp("", "utmpfleet-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.addr = l.Addr().String()
	l.Close()
	defer d.end()
	for _, step := range []struct {
		say string
		do  func() error
	}{
		{"a server, and three machines that are enrolled", d.begin},
		{"alice logs in on web1, bob on db1, carol on app1", d.logins},
		{"the server is killed; meanwhile alice logs out, and bob logs in on web1", d.killed},
		{"the server loses power, and with it what it had not yet on its disk: carol's logout", d.power},
		{"db1 crashes, and its log is rotated before it boots again", d.crash},
	} {
		fmt.Println("\n---", step.say)
		d.now = d.now.Add(20 * time.Minute)
		if err := step.do(); err != nil {
			d.end()
			return fmt.Errorf("%w\n%s", err, d.logs)
		}
	}
	return nil
}

func (d *demo) end() {
	for _, c := range d.agents {
		stop(c, syscall.SIGTERM)
	}
	stop(d.server, syscall.SIGTERM)
}

func stop(c *exec.Cmd, sig syscall.Signal) {
	if c != nil && c.Process != nil {
		_ = c.Process.Signal(sig)
		_ = c.Wait()
	}
}

func (d *demo) file(machine, name string) string { return filepath.Join(d.dir, machine, name) }

func (d *demo) store() string { return filepath.Join(d.dir, "server", "store") }

// serve starts the server, and waits until it answers.
func (d *demo) serve() error {
	d.server = exec.Command(filepath.Join(d.bin, "utmpfleet-server"), "-dir", filepath.Join(d.dir, "server"), "-listen", d.addr, "-max-bytes", "64M")
	if err := d.server.Start(); err != nil {
		return err
	}
	return d.until("events", "")
}

func (d *demo) begin() error {
	if err := d.serve(); err != nil {
		return err
	}
	for _, name := range []string{"web1", "db1", "app1"} {
		if err := os.Mkdir(filepath.Join(d.dir, name), 0o700); err != nil {
			return err
		}
		for _, f := range []string{"utmp", "wtmp", "machine-id"} {
			if err := os.WriteFile(d.file(name, f), []byte(map[bool]string{true: name + "\n"}[f == "machine-id"]), 0o600); err != nil {
				return err
			}
		}
		out, err := exec.Command(filepath.Join(d.bin, "utmpfleet"), "enroll", "-dir", filepath.Join(d.dir, "server"), "-o", d.file(name, "creds"), name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if err := d.write(name, "wtmp", utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12"}); err != nil {
			return err
		}
		if err := d.agent(name); err != nil {
			return err
		}
	}
	return errors.Join(d.until("hosts", "present", "-host", "web1"), d.until("hosts", "present", "-host", "db1"), d.until("hosts", "present", "-host", "app1"), d.show("app1", "hosts"))
}

func (d *demo) agent(name string) error {
	c := exec.Command(filepath.Join(d.bin, "utmpfleet"), "agent", "-retry", "2s", "-server", "nats://"+d.addr, "-creds", d.file(name, "creds"),
		"-wtmp", d.file(name, "wtmp"), "-utmp", d.file(name, "utmp"), "-machine-id", d.file(name, "machine-id"))
	if d.logs[name] == nil {
		d.logs[name] = &bytes.Buffer{}
	}
	d.agents[name], c.Stderr = c, d.logs[name]
	return c.Start()
}

// write appends a record to a file. Each step is 20 minutes after the one before it.
func (d *demo) write(machine, file string, r utmpx.Record) error {
	r.Time = utmpx.TimeOf(d.now)
	b, err := utmpx.Native().Encode(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.file(machine, file), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func (d *demo) login(machine, user, line string) error {
	r := utmpx.Record{Type: utmpx.UserProcess, PID: 4242, User: user, Line: line, ID: line[len(line)-2:], Host: "ws7"}
	return errors.Join(d.write(machine, "wtmp", r), d.write(machine, "utmp", r))
}

func (d *demo) logout(machine, line string) error {
	return errors.Join(d.write(machine, "wtmp", utmpx.Record{Type: utmpx.DeadProcess, PID: 4242, Line: line, ID: line[len(line)-2:]}), os.Truncate(d.file(machine, "utmp"), 0))
}

func (d *demo) logins() error {
	return errors.Join(d.login("web1", "alice", "pts/0"), d.login("db1", "bob", "pts/0"), d.login("app1", "carol", "pts/3"), d.until("who", "alice"), d.until("who", "bob"), d.show("carol", "who"))
}

func (d *demo) killed() error {
	stop(d.server, syscall.SIGKILL)
	return errors.Join(d.logout("web1", "pts/0"), d.login("web1", "bob", "pts/1"), d.serve(), d.until("last", "pts/1"), d.show("pts/1", "who", "-user", "bob"))
}

func (d *demo) power() error {
	saved := filepath.Join(d.dir, "saved")
	stop(d.server, syscall.SIGKILL)
	if err := errors.Join(os.CopyFS(saved, os.DirFS(d.store())), d.serve(), d.logout("app1", "pts/3"), d.until("last", "logout", "-host", "app1")); err != nil {
		return err
	}
	stop(d.server, syscall.SIGKILL)
	return errors.Join(os.RemoveAll(d.store()), os.CopyFS(d.store(), os.DirFS(saved)), d.serve(),
		d.until("last", "logout", "-host", "app1"), d.show("logout", "last"))
}

func (d *demo) crash() error {
	stop(d.agents["db1"], syscall.SIGKILL)
	return errors.Join(os.Rename(d.file("db1", "wtmp"), d.file("db1", "wtmp.1")), os.Truncate(d.file("db1", "utmp"), 0),
		d.write("db1", "wtmp", utmpx.Record{Type: utmpx.BootTime, Line: "~", ID: "~~", User: "reboot", Host: "6.12"}),
		d.agent("db1"), d.show("crash", "crashes"), d.until("hosts", "present", "-host", "web1"), d.show("present", "hosts"))
}

func (d *demo) ask(args []string) (string, error) {
	args = append([]string{args[0], "-server", "nats://" + d.addr, "-creds", filepath.Join(d.dir, "server", "reader.creds")}, args[1:]...)
	out, err := exec.Command(filepath.Join(d.bin, "utmpfleet"), args...).CombinedOutput()
	return string(out), err
}

// until asks until the answer has a text.
func (d *demo) until(question, text string, more ...string) (err error) {
	args := append([]string{question}, more...)
	var out string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if out, err = d.ask(args); err == nil && strings.Contains(out, text) {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("utmpfleet %s: no %q: %s", strings.Join(args, " "), text, out), err)
}

// show asks until the answer has a text, and prints it.
func (d *demo) show(text, question string, more ...string) error {
	if err := d.until(question, text, more...); err != nil {
		return err
	}
	args := append([]string{question}, more...)
	out, err := d.ask(args)
	fmt.Printf("$ utmpfleet %s\n%s", strings.Join(args, " "), out)
	return err
}
