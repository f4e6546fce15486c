// SPDX-License-Identifier: BSD-2-Clause

package fleetctl

import (
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
