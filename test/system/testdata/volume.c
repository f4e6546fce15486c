// SPDX-License-Identifier: BSD-2-Clause

// volume SESSIONS WORKERS LINES runs SESSIONS sessions, shared by WORKERS workers. Each
// worker runs its sessions one after the other on LINES lines in turn; each session is a
// process that uses pututxline and updwtmpx. One session in three logs itself out, the
// others end without a logout. It prints the number of each.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmpx.h>

void updwtmpx(const char *, const struct utmpx *);

static void record(int type, int line)
{
	struct utmpx e;
	struct timeval now;

	memset(&e, 0, sizeof e);
	e.ut_type = type;
	e.ut_pid = getpid();
	snprintf(e.ut_line, sizeof e.ut_line, "v/%d", line);
	snprintf(e.ut_id, sizeof e.ut_id, "%03d", line);
	if (type == USER_PROCESS)
		strcpy(e.ut_user, "alice");
	for (int try = 0;; try++) {
		gettimeofday(&now, NULL);
		e.ut_tv.tv_sec = now.tv_sec;
		e.ut_tv.tv_usec = now.tv_usec;
		setutxent();
		if (pututxline(&e) != NULL)
			break;
		if (try == 5) {
			perror("pututxline");
			_exit(1);
		}
	}
	endutxent();
	updwtmpx("/var/log/wtmp", &e);
}

static int worker(int first, int lines, int sessions)
{
	for (int i = 0; i < sessions; i++) {
		int status, line = first + i % lines;
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0) {
			record(USER_PROCESS, line);
			if (i % 3 == 0)
				record(DEAD_PROCESS, line);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status != 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int sessions, workers, lines, status, failed = 0;
	long out = 0, killed = 0;

	if (argc != 4)
		return 2;
	sessions = atoi(argv[1]);
	workers = atoi(argv[2]);
	lines = atoi(argv[3]);
	for (int w = 0; w < workers; w++) {
		int share = sessions / workers + (w < sessions % workers);

		out += (share + 2) / 3;
		killed += share - (share + 2) / 3;
		if (fork() == 0)
			_exit(worker(w * lines, lines, share));
	}
	while (wait(&status) > 0 || errno == EINTR)
		failed |= status != 0;
	printf("out %ld killed %ld\n", out, killed);
	return failed;
}
