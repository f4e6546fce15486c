// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package browser

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// browser is a Chromium and the page that it shows. The test speaks the DevTools protocol
// with it, through pipes.
type browser struct {
	t       *testing.T
	to      *os.File
	answers chan answer
	id      int
	session string
	seen    []answer // events
}

// answer is a message of the browser.
type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct{ Message string }
}

// patience is how long an answer may take: the machine may be busy with other tests.
const patience = 2 * time.Minute

// open starts a browser that shows a file of host.dir, in a window that is so wide.
func open(t *testing.T, name string, width int) *browser {
	t.Helper()
	b := start(t)
	b.call("Emulation.setDeviceMetricsOverride", m{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false})
	b.show(name)
	return b
}

type m = map[string]any

func start(t *testing.T) *browser {
	t.Helper()
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--remote-debugging-pipe", "--user-data-dir="+filepath.Join("/tmp", t.Name()), "about:blank")
	cmd.Err = nil // it is not found outside the root
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: host.root, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/tmp", "TZ=UTC"}
	cmd.ExtraFiles = []*os.File{in, out}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	b := &browser{t: t, to: to, answers: make(chan answer, 1<<16)}
	go b.listen(from)
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		to.Close()
		from.Close()
		if t.Failed() {
			t.Logf("the browser says: %.2000s", errs.String())
		}
	})
	target := struct{ TargetID string }{}
	b.ask("Target.createTarget", m{"url": "about:blank"}, &target)
	session := struct{ SessionID string }{}
	b.ask("Target.attachToTarget", m{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Network", "Runtime", "Log", "Accessibility", "Performance"} {
		b.call(domain+".enable", nil)
	}
	return b
}

// listen hands on what the browser says until its end.
func (b *browser) listen(from *os.File) {
	defer close(b.answers)
	r := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var a answer
		if json.Unmarshal(text[:len(text)-1], &a) == nil {
			b.answers <- a
		}
	}
}

func (b *browser) call(method string, params any) { b.t.Helper(); b.ask(method, params, nil) }

// ask calls a method and decodes its result.
func (b *browser) ask(method string, params, result any) {
	b.t.Helper()
	b.id++
	text, err := json.Marshal(m{"id": b.id, "method": method, "params": params, "sessionId": b.session})
	if b.session == "" {
		text, err = json.Marshal(m{"id": b.id, "method": method, "params": params})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	a := b.until(method, func(a answer) bool { return a.ID == b.id })
	if a.Error != nil {
		b.t.Fatalf("%s: %s", method, a.Error.Message)
	}
	if result != nil {
		if err := json.Unmarshal(a.Result, result); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
	}
}

// until waits for a message, and keeps the events before it.
func (b *browser) until(what string, is func(answer) bool) answer {
	b.t.Helper()
	late := time.After(patience)
	for {
		select {
		case a, ok := <-b.answers:
			if !ok {
				b.t.Fatalf("%s: the browser has ended", what)
			}
			if is(a) {
				return a
			}
			b.seen = append(b.seen, a)
		case <-late:
			b.t.Fatalf("%s: no answer", what)
		}
	}
}

// show loads a file of host.dir.
func (b *browser) show(name string) {
	b.t.Helper()
	b.seen = nil
	b.call("Page.navigate", m{"url": "file:///data/" + name})
	loaded := func(a answer) bool { return a.Method == "Page.loadEventFired" }
	for _, a := range b.seen {
		if loaded(a) {
			return
		}
	}
	b.seen = append(b.seen, b.until("load", loaded))
}

// prefers sets what the user prefers: "light" or "dark".
func (b *browser) prefers(scheme string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", m{"features": []m{{"name": "prefers-color-scheme", "value": scheme}}})
}

// eval returns the value of an expression on the page. DevTools may run scripts there;
// the page's policy is for those of the page.
func (b *browser) eval(expression string, value any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.ask("Runtime.evaluate", m{"expression": expression, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails.Exception.Description)
	}
	if err := json.Unmarshal(r.Result.Value, value); err != nil {
		b.t.Fatalf("%s: %v: %s", expression, err, r.Result.Value)
	}
}

// picture returns what the page looks like, all of it or what is in the window. It is kept
// where UTMPD_TEST_PICTURES says.
func (b *browser) picture(name string, all bool) image.Image {
	b.t.Helper()
	var r struct{ Data string }
	b.ask("Page.captureScreenshot", m{"captureBeyondViewport": all}, &r)
	data, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	keep(b.t, name+".png", data)
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}

// printed returns the page on paper, as a PDF in host.dir.
func (b *browser) printed(name string) string {
	b.t.Helper()
	var r struct{ Data string }
	b.ask("Page.printToPDF", m{"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": true}, &r)
	data, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	keep(b.t, name+".pdf", data)
	file := name + ".pdf"
	if err := os.WriteFile(filepath.Join(host.dir, file), data, 0o600); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// inRoot runs a program of the root and returns its output.
func inRoot(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("/usr/bin/"+name, args...)
	cmd.Err = nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: host.root}
	cmd.Dir = "/data"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, &errs)
	}
	return out
}

// keep keeps a file for whoever wants to look at it.
func keep(t *testing.T, name string, data []byte) {
	t.Helper()
	if pictures == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(pictures, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}
