// SPDX-License-Identifier: BSD-2-Clause

// churn UTMP WTMP LINES SECONDS runs sessions as fast as it can. It starts a process,
// logs it in with pututxline(3) and updwtmpx(3), kills it, and logs it out. It prints
// the number of sessions, the elapsed time, the processor time of the library's calls,
// and the median of one pututxline(3) with the search for its slot. All times are in
// seconds.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>

enum { most = 1 << 20 };
static double took[most];
static int calls;
static double cpu;

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void put(const char *wtmp, struct utmpx *u)
{
	double c = now(CLOCK_THREAD_CPUTIME_ID), t = now(CLOCK_MONOTONIC);

	setutxent();
	if (!pututxline(u)) {
		perror("pututxline");
		exit(1);
	}
	if (calls < most)
		took[calls++] = now(CLOCK_MONOTONIC) - t;
	endutxent();
	updwtmpx(wtmp, u);
	cpu += now(CLOCK_THREAD_CPUTIME_ID) - c;
}

static void stamp(struct utmpx *u, short type)
{
	struct timeval t;

	gettimeofday(&t, NULL);
	u->ut_type = type;
	u->ut_tv.tv_sec = t.tv_sec;
	u->ut_tv.tv_usec = t.tv_usec;
}

static pid_t session(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double began, end;
	int n = 0, lines;

	if (argc != 5)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	utmpxname(argv[1]);
	lines = atoi(argv[3]);
	began = now(CLOCK_MONOTONIC);
	end = began + atof(argv[4]);
	for (; now(CLOCK_MONOTONIC) < end; n++) {
		struct utmpx u = { .ut_pid = session() };
		char id[16];

		snprintf(u.ut_line, sizeof u.ut_line, "pts/9%05d", n % lines);
		snprintf(id, sizeof id, "~%02x", n % lines);
		memcpy(u.ut_id, id, sizeof u.ut_id);
		strcpy(u.ut_user, "alice");
		stamp(&u, USER_PROCESS);
		put(argv[2], &u);
		kill(u.ut_pid, SIGKILL);
		waitpid(u.ut_pid, NULL, 0);
		memset(u.ut_user, 0, sizeof u.ut_user);
		stamp(&u, DEAD_PROCESS);
		put(argv[2], &u);
	}
	end = now(CLOCK_MONOTONIC);
	qsort(took, calls, sizeof *took, ascending);
	printf("%d %.9f %.9f %.9f\n", n, end - began, cpu, took[calls / 2]);
	return 0;
}
