// SPDX-License-Identifier: BSD-2-Clause

package logind

import (
	"os"
	"testing"

	"utmpd.dev/utmpd/internal/leaktest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(askVar); address != "" {
		ask(address)
		os.Exit(0)
	}
	os.Exit(leaktest.Main(m))
}
