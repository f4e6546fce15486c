// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"fmt"
	"os"
	"testing"

	"utmpd.dev/utmpd/internal/leaktest"
)

// taskEnv is the environment variable with the task of a process. A sandbox
// cannot be left, so each test enters it in a new process of the test binary.
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
