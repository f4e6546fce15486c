// SPDX-License-Identifier: BSD-2-Clause

// session LINE USER logs USER in on the terminal LINE like a simple login server. This
// process is ut_pid; its child is the session leader and runs the shell. When the
// shell ends, it logs the user out. It uses only the C library.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>

// record writes e to utmp and wtmp.
static void record(struct utmpx *e)
{
	struct timeval now;
	struct utmp u;

	gettimeofday(&now, NULL);
	e->ut_tv.tv_sec = now.tv_sec;
	e->ut_tv.tv_usec = now.tv_usec;
	setutxent();
	if (pututxline(e) == NULL) {
		perror("pututxline");
		exit(1);
	}
	endutxent();
	memcpy(&u, e, sizeof u); // the same type under two names
	updwtmp(_PATH_WTMP, &u);
}

static void shell(const char *line)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/dev/%s", line);
	setsid();
	fd = open(path, O_RDWR); // becomes the controlling terminal
	if (fd < 0) {
		perror(path);
		_exit(1);
	}
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	execl("/bin/sh", "-sh", (char *)NULL);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct utmpx e;
	pid_t child;
	size_t n;

	if (argc != 3)
		return 2;
	memset(&e, 0, sizeof e);
	e.ut_type = USER_PROCESS;
	e.ut_pid = getpid();
	n = strlen(argv[1]);
	strncpy(e.ut_line, argv[1], sizeof e.ut_line);
	strncpy(e.ut_id, argv[1] + (n > 4 ? n - 4 : 0), sizeof e.ut_id);
	strncpy(e.ut_user, argv[2], sizeof e.ut_user);
	record(&e);
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0)
		shell(argv[1]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	e.ut_type = DEAD_PROCESS;
	memset(e.ut_user, 0, sizeof e.ut_user);
	record(&e);
	return 0;
}
