// SPDX-License-Identifier: BSD-2-Clause

// busy WRITERS READERS FIRST keeps utmp busy until standard input ends. WRITERS
// processes, each with its own session, rewrite their entries with pututxline, and
// READERS processes run who, over and over. It prints "busy" when all of them are
// running, and at the end how often they wrote. The sessions' lines start at b/FIRST.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmpx.h>

static volatile sig_atomic_t over;

static void stop(int sig)
{
	(void)sig;
	over = 1;
}

static int put(int line)
{
	struct utmpx e;
	struct timeval now;

	memset(&e, 0, sizeof e);
	e.ut_type = USER_PROCESS;
	e.ut_pid = getpid();
	snprintf(e.ut_line, sizeof e.ut_line, "b/%d", line);
	snprintf(e.ut_id, sizeof e.ut_id, "b%d", line);
	strcpy(e.ut_user, "busy");
	gettimeofday(&now, NULL);
	e.ut_tv.tv_sec = now.tv_sec;
	e.ut_tv.tv_usec = now.tv_usec;
	setutxent();
	return pututxline(&e) != NULL;
}

static void writer(int line, int tell)
{
	long written = 0, failed = 0;
	int first = 1;

	while (!over) {
		if (put(line))
			written++;
		else if (!over) // otherwise it was interrupted
			failed++;
		if (first && write(tell, "b", 1) != 1)
			_exit(1);
		first = 0;
	}
	endutxent();
	dprintf(1, "written %ld failed %ld\n", written, failed);
	_exit(0);
}

static void reader(int tell)
{
	int first = 1;

	while (!over) {
		pid_t pid = fork();

		if (pid == 0) {
			freopen("/dev/null", "w", stdout);
			execl("/usr/bin/who", "who", (char *)NULL);
			_exit(127);
		}
		if (pid < 0 || (waitpid(pid, NULL, 0) < 0 && errno != EINTR))
			_exit(1);
		if (first && write(tell, "b", 1) != 1)
			_exit(1);
		first = 0;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = stop };
	int writers, readers, tell[2];
	char c;

	if (argc != 4 || pipe(tell) < 0)
		return 2;
	writers = atoi(argv[1]);
	readers = atoi(argv[2]);
	sigaction(SIGTERM, &act, NULL);
	for (int i = 0; i < writers; i++)
		if (fork() == 0)
			writer(atoi(argv[3]) + i, tell[1]);
	for (int i = 0; i < readers; i++)
		if (fork() == 0)
			reader(tell[1]);
	for (int i = 0; i < writers + readers; i++)
		if (read(tell[0], &c, 1) != 1)
			return 1;
	dprintf(1, "busy\n");
	while (read(0, &c, 1) > 0)
		;
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return 0;
}
