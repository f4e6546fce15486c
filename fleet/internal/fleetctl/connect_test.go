// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"utmpd.dev/utmpd/fleet/internal/lab"
)

// TestQuestionsHere: a question that is asked without TLS goes to this machine alone, whatever
// nodes the server names.
func TestQuestionsHere(t *testing.T) {
	s := lab.Start(t)
	w := where{url: s.URL()}
	nc, err := w.connect("reader", append(again(&call{stderr: t.Output()}), nats.UserCredentials(filepath.Join(s.Dir, "reader.creds")))...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	dialer := nc.Opts.CustomDialer
	if dialer == nil {
		t.Fatal("it connects to whatever node the server names")
	}
	if c, err := dialer.Dial("tcp", "192.0.2.1:4222"); err == nil || !strings.Contains(err.Error(), "only with TLS") {
		t.Errorf("%v %v", c, err)
	}
}

// TestAuthorities: a service finds the authorities in its environment: the units have no -ca.
func TestAuthorities(t *testing.T) {
	t.Setenv("UTMPFLEET_CA", "/nonexistent/ca.pem")
	s := lab.Start(t)
	for _, cmd := range []string{"who", "agent"} {
		var errs bytes.Buffer
		machine := filepath.Join(t.TempDir(), "id")
		if err := os.WriteFile(machine, []byte("id\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{cmd, "-server", "tls://127.0.0.1:1", "-creds", filepath.Join(s.Dir, "reader.creds")}
		if cmd == "agent" {
			args = append(args, "-machine-id", machine)
		}
		if code := Main(args, &errs, &errs); code != 1 || !strings.Contains(errs.String(), "/nonexistent/ca.pem") {
			t.Fatalf("%s: %d %s", cmd, code, errs.String())
		}
	}
}
