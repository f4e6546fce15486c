#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# compile.sh ROOT DIR compiles the C programs of ../libc/testdata as static programs
# DIR/MACHINE/libc and DIR/MACHINE/layout, for every machine that has a compiler in
# the root of root.sh. DIR/machines lists the machines: name, layout of utmpx,
# emulator or "-".
#
# The compilers run inside the root, in a mount namespace that ends with them, and
# keep their temporary files in DIR. Without root this needs a user namespace.
set -eu
root=$1
dir=$2
sources=$(cd "$(dirname "$0")/../libc/testdata" && pwd)

# name, compiler, layout, emulator. musl has no working utmpx, hence no libc.
machines="
i386	i686-linux-gnu-gcc	glibc-384-le	qemu-i386-static
arm64	aarch64-linux-gnu-gcc	glibc-400-le	qemu-aarch64-static
armhf	arm-linux-gnueabihf-gcc	glibc-384-le	qemu-arm-static
riscv64	riscv64-linux-gnu-gcc	glibc-384-le	qemu-riscv64-static
s390x	s390x-linux-gnu-gcc	glibc-400-be	qemu-s390x-static
ppc64	powerpc64-linux-gnu-gcc	glibc-384-be	qemu-ppc64-static
musl-amd64	x86_64-linux-musl-gcc	musl-400-le	-
musl-armhf	arm-linux-musleabihf-gcc	musl-400-le	qemu-arm-static
musl-s390x	s390x-linux-musl-gcc	musl-400-be	qemu-s390x-static"

flags=
[ "$(id -u)" = 0 ] || flags=--map-root-user

cp "$sources"/*.c "$dir"
echo "$machines" | sed 1d | while read -r name compiler layout emulator; do
	mkdir "$dir/$name"
	programs="layout libc"
	case $name in musl-*) programs=layout ;; esac
	for program in $programs; do
		echo "$compiler -O2 -Wall -Werror -static -o /work/$name/$program /work/$program.c"
	done >>"$dir/compile"
	[ "$emulator" = - ] || emulator=$root/usr/bin/$emulator
	echo "$name $layout $emulator"
done >"$dir/machines"
# shellcheck disable=SC2016,SC2086
unshare $flags --mount --propagation private sh -c '
	mount --bind "$1" "$2/work" && exec chroot "$2" /usr/bin/env -i PATH=/usr/bin:/bin TMPDIR=/work /bin/sh -e /work/compile
' sh "$dir" "$root"
