// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"fmt"
	"os"
	"testing"

	"utmpd.dev/utmpd/internal/leaktest"
)

// A sandbox is for good, so the tests enter it in processes of their own: the
// test binary, run again with what it is to do.
const taskEnv = "UTMPD_SANDBOX_TASK"

func TestMain(m *testing.M) {
	if name := os.Getenv(taskEnv); name != "" {
		if err := tasks[name](os.Args[1:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(leaktest.Main(m))
}
