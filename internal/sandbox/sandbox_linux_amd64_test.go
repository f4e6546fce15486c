// SPDX-License-Identifier: BSD-2-Clause

package sandbox

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOwnersCalls names calls that work by a file's name, some of which not all
// architectures have.
func TestOwnersCalls(t *testing.T) {
	prog, err := program("amd64")
	if err != nil {
		t.Fatal(err)
	}
	for name, nr := range map[string]uint32{
		"chmod": unix.SYS_CHMOD, "chown": unix.SYS_CHOWN, "lchown": unix.SYS_LCHOWN,
		"utime": unix.SYS_UTIME, "utimes": unix.SYS_UTIMES, "futimesat": unix.SYS_FUTIMESAT,
		"truncate": unix.SYS_TRUNCATE,
	} {
		if got := interpret(t, prog, nr, unix.AUDIT_ARCH_X86_64); got != unix.SECCOMP_RET_ERRNO|uint32(syscall.EPERM) {
			t.Errorf("%s: %#x", name, got)
		}
	}
}

// TestRootsCalls names calls that only root can use, most of which not all architectures
// have.
func TestRootsCalls(t *testing.T) {
	prog, err := program("amd64")
	if err != nil {
		t.Fatal(err)
	}
	for name, nr := range map[string]uint32{
		"kexec_load": unix.SYS_KEXEC_LOAD, "kexec_file_load": unix.SYS_KEXEC_FILE_LOAD,
		"iopl": unix.SYS_IOPL, "ioperm": unix.SYS_IOPERM, "modify_ldt": unix.SYS_MODIFY_LDT,
		"mount": unix.SYS_MOUNT, "fsopen": unix.SYS_FSOPEN, "fsconfig": unix.SYS_FSCONFIG, "fsmount": unix.SYS_FSMOUNT,
		"move_mount": unix.SYS_MOVE_MOUNT, "open_tree": unix.SYS_OPEN_TREE, "open_tree_attr": unix.SYS_OPEN_TREE_ATTR,
		"mount_setattr": unix.SYS_MOUNT_SETATTR, "pivot_root": unix.SYS_PIVOT_ROOT, "chroot": unix.SYS_CHROOT,
		"swapon": unix.SYS_SWAPON, "bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN,
		"userfaultfd": unix.SYS_USERFAULTFD, "io_uring_setup": unix.SYS_IO_URING_SETUP,
		"fanotify_init": unix.SYS_FANOTIFY_INIT, "open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT,
		"init_module": unix.SYS_INIT_MODULE, "finit_module": unix.SYS_FINIT_MODULE, "setns": unix.SYS_SETNS,
		"process_madvise": unix.SYS_PROCESS_MADVISE, "personality": unix.SYS_PERSONALITY,
	} {
		if got := interpret(t, prog, nr, unix.AUDIT_ARCH_X86_64); got != unix.SECCOMP_RET_ERRNO|uint32(syscall.EPERM) {
			t.Errorf("%s: %#x", name, got)
		}
	}
}
