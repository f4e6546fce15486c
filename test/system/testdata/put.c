// SPDX-License-Identifier: BSD-2-Clause

// put TYPE LINE ID USER PID [AGE] writes one record to utmp with pututxline and to
// wtmp with updwtmpx, with the current time or a time AGE seconds ago.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <utmpx.h>

void updwtmpx(const char *, const struct utmpx *);

int main(int argc, char **argv)
{
	struct utmpx e;
	struct timeval now;

	if (argc < 6 || argc > 7)
		return 2;
	memset(&e, 0, sizeof e);
	e.ut_type = atoi(argv[1]);
	strncpy(e.ut_line, argv[2], sizeof e.ut_line);
	strncpy(e.ut_id, argv[3], sizeof e.ut_id);
	strncpy(e.ut_user, argv[4], sizeof e.ut_user);
	e.ut_pid = atoi(argv[5]);
	gettimeofday(&now, NULL);
	e.ut_tv.tv_sec = now.tv_sec - (argc > 6 ? atoi(argv[6]) : 0);
	e.ut_tv.tv_usec = now.tv_usec;
	setutxent();
	if (pututxline(&e) == NULL) {
		perror("pututxline");
		return 1;
	}
	endutxent();
	updwtmpx("/var/log/wtmp", &e);
	return 0;
}
