// SPDX-License-Identifier: BSD-2-Clause

// Package proof has tests of what a fleet promises, with real servers, agents and log files:
// nothing lost and nothing doubled, whatever is killed, cut off or full. What was written to
// the logs is compared with what the stream has, event by event.
//
//	go test ./internal/proof                        # quick
//	go test ./internal/proof -timeout 1h -args -long
//
// Power cuts and full disks need root, ext4 and a loop device, in a mount namespace of
// their own.
package proof
