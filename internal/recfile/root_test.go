// SPDX-License-Identifier: BSD-2-Clause

package recfile_test

import "os"

func isRoot() bool { return os.Getuid() == 0 }
