// SPDX-License-Identifier: BSD-2-Clause

// crowd N starts N processes that do nothing and prints their pids. When it reads a
// byte from standard input it kills them all, prints "dead" when they are reaped, and
// exits.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n;
	pid_t *all;
	char c;

	if (argc != 2)
		return 2;
	n = atoi(argv[1]);
	all = calloc(n, sizeof *all);
	for (int i = 0; i < n; i++) {
		all[i] = fork();
		if (all[i] < 0) {
			perror("fork");
			return 1;
		}
		if (all[i] == 0)
			for (;;)
				pause();
	}
	for (int i = 0; i < n; i++)
		printf("%d\n", (int)all[i]);
	puts("alive");
	fflush(stdout);
	if (read(0, &c, 1) < 0)
		return 1;
	for (int i = 0; i < n; i++)
		kill(all[i], SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	puts("dead");
	return 0;
}
