// SPDX-License-Identifier: BSD-2-Clause

package daemon

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"utmpd.dev/utmpd/internal/recfile"
	"utmpd.dev/utmpd/internal/sandbox"
	"utmpd.dev/utmpd/internal/sysfile"
	"utmpd.dev/utmpd/internal/toucher"
)

// These make this program the process that sets the access time of the wtmpx file in the
// one variable, and opens that file and the utmpx file in the other.
const (
	toucherEnv      = "UTMPD_TOUCHER"
	toucherUtmpxEnv = "UTMPD_TOUCHER_UTMPX"
)

// giveUpFowner starts the toucher, if this process may act as the owner of files, and
// gives up all capabilities. Root has other means and keeps them. The Remote is nil if
// there is no toucher.
func giveUpFowner(utmpx, wtmpx string, touches bool) (*toucher.Remote, map[string]opener, error) {
	if unix.Geteuid() == 0 || !hasCap(unix.CAP_FOWNER) {
		return nil, nil, nil
	}
	var r *toucher.Remote
	var openers map[string]opener
	var err error
	if touches {
		r, openers, err = startToucher(utmpx, wtmpx)
	}
	return r, openers, errors.Join(err, keepOnly(0))
}

// The descriptors of the toucher: sockets to the daemon.
const (
	touchFD = 3 + iota
	utmpxFD
	wtmpxFD
)

// toucherThreads are the threads of the toucher: one for each socket, whose file may hang, one
// that runs Go code meanwhile, and one to spare.
const toucherThreads = wtmpxFD - touchFD + 1 + 2

func startToucher(utmpx, wtmpx string) (*toucher.Remote, map[string]opener, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs, ours := []*os.File{null, null, null}, []*os.File(nil)
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	defer func() { closeAll(theirs) }()
	for range wtmpxFD - touchFD + 1 {
		// Messages stay apart.
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			closeAll(ours)
			return nil, nil, os.NewSyscallError("socketpair", err)
		}
		ours = append(ours, os.NewFile(uintptr(fds[0]), "toucher"))
		theirs = append(theirs, os.NewFile(uintptr(fds[1]), "toucher"))
	}
	// It collects its garbage itself, and needs one thread at a time: this keeps it small.
	env := []string{toucherEnv + "=" + wtmpx, toucherUtmpxEnv + "=" + utmpx, "GOGC=off", "GOMAXPROCS=1"}
	p, err := os.StartProcess("/proc/self/exe", []string{"utmpd", "(access time)", wtmpx}, &os.ProcAttr{
		Dir: "/", Env: env, Files: theirs,
		Sys: &syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_FOWNER}},
	})
	if err != nil {
		closeAll(ours)
		return nil, nil, err
	}
	return toucher.NewRemote(ours[0], func() { _, _ = p.Wait() }),
		map[string]opener{utmpx: toucher.NewFiles(utmpx, ours[1]), wtmpx: toucher.NewFiles(wtmpx, ours[2])}, nil
}

// beToucher is the toucher's life, if this process is one. It ends with the daemon,
// whose ends of the sockets are then closed.
func beToucher() (status int, ok bool) {
	wtmpx, utmpx := os.Getenv(toucherEnv), os.Getenv(toucherUtmpxEnv)
	if wtmpx == "" || utmpx == "" {
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
	_ = sandbox.EnterFew(sandbox.Dirs{Write: slices.Concat(sandbox.OfFile(utmpx), sandbox.OfFile(wtmpx))})
	makeThreads(toucherThreads)
	for fd, open := range map[uintptr]func(string, sysfile.OpenMode) (*os.File, error){
		utmpxFD: func(ending string, mode sysfile.OpenMode) (*os.File, error) {
			if ending != "" {
				return nil, syscall.EINVAL // it is not rotated
			}
			return sysfile.OpenFile(utmpx, mode)
		},
		wtmpxFD: func(ending string, mode sysfile.OpenMode) (*os.File, error) {
			return sysfile.OpenFile(wtmpx+ending, mode)
		},
	} {
		go toucher.ServeFiles(socket(fd), open)
	}
	toucher.Serve(socket(touchFD), recfile.NewLog(wtmpx, recfile.Options{System: sysfile.Kernel()}).Touch)
	return exitOK, true
}

// socket is an end of a socket that was inherited. To wait for it takes no thread.
func socket(fd uintptr) *os.File {
	_ = unix.SetNonblock(int(fd), true)
	return os.NewFile(fd, "daemon")
}
