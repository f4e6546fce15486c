// SPDX-License-Identifier: BSD-2-Clause

// crowd N starts N processes that do nothing, in a process group of their own, prints
// their pids and "alive", and reaps them as they end. When none is left it prints "dead"
// and exits. If it dies, its children die too; it dies with its parent.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t self = getpid(), group = 0;

	if (argc != 2)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		return 1;
	for (int n = atoi(argv[1]), i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			printf("fork %d: %s\n", i, strerror(errno));
			return 1;
		}
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			setpgid(0, group);
			if (getppid() != self)
				_exit(1);
			for (;;)
				pause();
		}
		if (group == 0)
			group = pid;
		setpgid(pid, group);
		printf("%d\n", (int)pid);
	}
	puts("alive");
	fflush(stdout);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	puts("dead");
	return 0;
}
