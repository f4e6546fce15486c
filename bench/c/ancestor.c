// SPDX-License-Identifier: BSD-2-Clause

// ancestor UTMP WTMP PIPE [SCAN_PERIOD] does what the manual page of utmpd(1M) says, in the
// way in which that daemon is known to do it: one loop; a table of pids; requests from a
// named pipe; a scan of the whole file every SCAN_PERIOD seconds (300) and after each death;
// a read of wtmp every 60 seconds. A pidfd takes the place of Solaris' file in /proc, and
// there is no pause after a death. It was written for comparison from the page and from what
// is known of the daemon's behaviour.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

enum { MOST = 70000, ADD = 1, REMOVE = 2 }; // MAX_FDS; the commands of a request

static const char *utmp, *wtmp;
static struct pollfd table[MOST]; // the first is the pipe
static pid_t pids[MOST];
static int entries = 1;

static int dead(pid_t pid)
{
	char name[64], state = 'Z';
	FILE *f;

	snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
	if ((f = fopen(name, "r")) == NULL)
		return 1;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(f);
	return state == 'Z';
}

static void add(pid_t pid)
{
	for (int i = 1; i < entries; i++)
		if (pids[i] == pid)
			return;
	if (entries == MOST)
		return;
	int fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return;
	table[entries].fd = fd;
	table[entries].events = POLLIN;
	pids[entries++] = pid;
}

static void drop(int i)
{
	close(table[i].fd);
	table[i] = table[--entries];
	pids[i] = pids[entries];
}

static void mark(const struct utmpx *of)
{
	struct utmpx u = *of;
	struct timeval now;

	gettimeofday(&now, NULL);
	u.ut_type = DEAD_PROCESS;
	u.ut_tv.tv_sec = now.tv_sec;
	u.ut_tv.tv_usec = now.tv_usec;
	setutxent();
	pututxline(&u);
	updwtmpx(wtmp, &u);
}

// scan adds the sessions that are not in the table, and marks those that are dead.
static void scan(void)
{
	static struct utmpx ghosts[MOST];
	struct utmpx *u;
	int n = 0;

	setutxent();
	while ((u = getutxent()) != NULL) {
		if (u->ut_type != USER_PROCESS)
			continue;
		if (dead(u->ut_pid) && n < MOST)
			ghosts[n++] = *u;
		else
			add(u->ut_pid);
	}
	for (int i = 0; i < n; i++)
		mark(&ghosts[i]);
	endutxent();
}

// clean marks the record of one dead process.
static void clean(pid_t pid)
{
	struct utmpx *u, ghost;

	if (!dead(pid))
		return;
	setutxent();
	while ((u = getutxent()) != NULL) {
		if (u->ut_type == USER_PROCESS && u->ut_pid == pid) {
			ghost = *u;
			mark(&ghost);
			break;
		}
	}
	endutxent();
}

static void requests(void)
{
	struct { int command; pid_t pid; } r;

	while (read(table[0].fd, &r, sizeof r) == sizeof r) {
		if (r.command == ADD)
			add(r.pid);
		for (int i = 1; r.command == REMOVE && i < entries; i++) {
			if (pids[i] == r.pid) {
				drop(i);
				break;
			}
		}
	}
}

static void touch(void)
{
	char c;
	int fd = open(wtmp, O_RDONLY);

	if (fd < 0)
		return;
	if (read(fd, &c, 1) < 0)
		perror(wtmp);
	close(fd);
}

int main(int argc, char **argv)
{
	time_t now, scanned = 0, touched = 0, period = 300;

	if (argc < 4)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	utmp = argv[1], wtmp = argv[2];
	if (argc > 4)
		period = atoi(argv[4]);
	utmpxname(utmp);
	if (mkfifo(argv[3], 0600) < 0 && errno != EEXIST)
		return 1;
	if ((table[0].fd = open(argv[3], O_RDWR | O_NONBLOCK)) < 0)
		return 1;
	table[0].events = POLLIN;
	for (;;) {
		now = time(NULL);
		if (now - scanned >= period)
			scan(), scanned = now;
		if (now - touched >= 60)
			touch(), touched = now;
		time_t next = scanned + period < touched + 60 ? scanned + period : touched + 60;

		if (poll(table, entries, (int)(next - now) * 1000) <= 0)
			continue;
		if (table[0].revents)
			requests();
		for (int i = entries - 1; i > 0; i--) {
			if (table[i].revents) {
				pid_t pid = pids[i];

				drop(i);
				clean(pid);
			}
		}
	}
}
