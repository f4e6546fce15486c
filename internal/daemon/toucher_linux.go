// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sandbox"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/internal/toucher"
)

// toucherEnv makes this program the process that sets the access time of the file in
// the variable.
const toucherEnv = "UTMPD_TOUCHER"

// giveUpFowner starts the toucher, if this process may act as the owner of files, and
// gives up all capabilities. Root has other means and keeps them. The Remote is nil if
// there is no toucher.
func giveUpFowner(wtmpx string, touches bool) (*toucher.Remote, error) {
	if unix.Geteuid() == 0 || !hasCap(unix.CAP_FOWNER) {
		return nil, nil
	}
	var r *toucher.Remote
	var err error
	if touches {
		r, err = startToucher(wtmpx)
	}
	return r, errors.Join(err, keepOnly(0))
}

func startToucher(wtmpx string) (*toucher.Remote, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "toucher")
	defer theirs.Close()
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		return nil, os.NewSyscallError("fcntl", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "toucher")
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer null.Close()
	// It makes no garbage, and needs one thread at a time: this keeps it small.
	env := []string{toucherEnv + "=" + wtmpx, "GOGC=off", "GOMAXPROCS=1"}
	p, err := os.StartProcess("/proc/self/exe", []string{"utmpd", "(access time)", wtmpx}, &os.ProcAttr{
		Dir: "/", Env: env, Files: []*os.File{null, null, null, theirs},
		Sys: &syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_FOWNER}},
	})
	if err != nil {
		ours.Close()
		return nil, err
	}
	return toucher.NewRemote(ours, func() { _, _ = p.Wait() }), nil
}

// beToucher is the toucher's life, if this process is one. It ends with the daemon,
// whose end of the socket is then closed.
func beToucher() (status int, ok bool) {
	wtmpx := os.Getenv(toucherEnv)
	if wtmpx == "" {
		return 0, false
	}
	// A service manager and a terminal send these to the daemon and to this process.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if err := keepOnly(1 << unix.CAP_FOWNER); err != nil {
		return exitError, true
	}
	// Without a part of the sandbox, which an old kernel lacks, it does its work too. The
	// daemon reports the same part.
	_ = sandbox.EnterFew(sandbox.Dirs{Read: sandbox.OfFile(wtmpx)})
	toucher.Serve(os.NewFile(3, "daemon"), recfile.NewLog(wtmpx, recfile.Options{System: sysfile.Kernel()}).Touch)
	return exitOK, true
}
