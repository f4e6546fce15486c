// SPDX-License-Identifier: BSD-2-Clause

package sealed

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// Build builds programs of this module, such as cmd/utmpd, in a directory, as packages
// have them: without cgo.
func Build(dir string, programs ...string) error { return BuildFor(dir, runtime.GOARCH, programs...) }

// BuildFor is Build for another architecture.
func BuildFor(dir, arch string, programs ...string) error {
	args := []string{"build", "-o", dir + "/"}
	for _, p := range programs {
		args = append(args, "utmpd.dev/utmpd/"+p)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %v: %v\n%s", programs, err, out)
	}
	return nil
}

// NotRun returns the exit status of a suite that cannot run here. It is a failure where
// CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 requires the suite.
func NotRun() int {
	if os.Getenv("CI") == "true" || os.Getenv("UTMPD_TEST_REQUIRE_SYSTEM") == "1" {
		fmt.Println("FAIL: CI=true or UTMPD_TEST_REQUIRE_SYSTEM=1 says that they must")
		return 1
	}
	return 0
}
