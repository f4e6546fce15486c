// SPDX-License-Identifier: BSD-2-Clause

// mass LINES runs one session on each of LINES lines at once, each a process that uses
// pututxline and updwtmpx. It prints the fate of each:
//
//	out LINE     it logged itself out
//	killed LINE  it was killed with SIGKILL
//	late LINE    it was killed, and its owner logs it out about when utmpd does
//	live LINE PID  it lives until standard input ends
//
// and then "done". The first session of a line ends within a second. On three of four
// lines a second session follows, at once or after about a grace period, and lives:
// while utmp still holds the first session, or just after utmpd has cleaned it.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmpx.h>

void updwtmpx(const char *, const struct utmpx *);

enum fate { OUT, KILLED, LATE };

static enum fate fate(int line)
{
	if (line % 3 != 0)
		return OUT;
	return line % 15 == 0 ? LATE : KILLED;
}

static void record(int type, int line, pid_t pid)
{
	struct utmpx e;
	struct timeval now;

	memset(&e, 0, sizeof e);
	e.ut_type = type;
	e.ut_pid = pid;
	snprintf(e.ut_line, sizeof e.ut_line, "m/%d", line);
	e.ut_id[0] = 'm';
	e.ut_id[1] = '0' + line / 100;
	e.ut_id[2] = '0' + line / 10 % 10;
	e.ut_id[3] = '0' + line % 10;
	if (type == USER_PROCESS)
		strcpy(e.ut_user, "alice");
	// glibc gives up a lock after 10 s, and an unrecorded session would test
	// nothing.
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

static void pause_ms(int ms)
{
	usleep(1000 * ms);
}

static void first(int line)
{
	record(USER_PROCESS, line, getpid());
	pause_ms(rand() % 1000);
	if (fate(line) != OUT)
		kill(getpid(), SIGKILL);
	record(DEAD_PROCESS, line, getpid());
	_exit(0);
}

static void late_owner(int line, pid_t pid)
{
	pause_ms(900 + rand() % 200);
	record(DEAD_PROCESS, line, pid);
	_exit(0);
}

static void second(int line, int tell)
{
	pause_ms(line % 4 == 1 ? 0 : 800 + rand() % 600);
	record(USER_PROCESS, line, getpid());
	if (write(tell, "l", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	static const char *names[] = { "out", "killed", "late" };
	int lines, waiting, living = 0, owners = 0, tell[2];
	pid_t *sessions;
	char c;

	if (argc != 2 || pipe(tell) < 0)
		return 2;
	lines = atoi(argv[1]);
	sessions = calloc(lines, sizeof *sessions);
	for (int i = 0; i < lines; i++) {
		srand(i);
		sessions[i] = fork();
		if (sessions[i] == 0)
			first(i);
	}
	for (waiting = lines; waiting > 0 || owners > 0;) {
		int line;
		pid_t pid = wait(NULL);

		for (line = 0; line < lines && sessions[line] != pid; line++)
			;
		if (line == lines) {
			owners--;
			continue;
		}
		sessions[line] = 0;
		waiting--;
		printf("%s m/%d\n", names[fate(line)], line);
		srand(lines + line);
		if (fate(line) == LATE) {
			owners++;
			if (fork() == 0)
				late_owner(line, pid);
		} else if (line % 4 != 0) {
			pid = fork();
			if (pid == 0)
				second(line, tell[1]);
			printf("live m/%d %d\n", line, (int)pid);
			living++;
		}
	}
	while (living > 0 && read(tell[0], &c, 1) == 1)
		living--;
	puts("done");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
