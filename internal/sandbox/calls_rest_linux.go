// SPDX-License-Identifier: BSD-2-Clause

//go:build !386 && !amd64 && !arm && !arm64 && !loong64 && !ppc64le && !riscv64 && !s390x

package sandbox

// rootsHere is empty: there is no filter for these architectures.
var rootsHere []uint32
