// SPDX-License-Identifier: BSD-2-Clause

// libc runs the machine's own libc functions on utmp and wtmp files. It reads and
// writes records in libc's binary form on standard input and output.
//
//	libc version
//	libc put FILE          pututxline for each record of standard input
//	libc log FILE          updwtmpx for each
//	libc both FILE LOG     pututxline and updwtmpx for each
//	libc getid FILE        getutxid for each: prints one byte, 1 if found, and the
//	                       record found
//	libc getline FILE      getutxline for each, likewise
//	libc all FILE          print what getutxent returns, to the end
//	libc watch FILE        the same repeatedly, until standard input ends
//	libc hold FILE KIND    lock with fcntl, read or write, and say "locked";
//	                       until standard input ends
//	libc login N           N times login and logout on the terminal that standard
//	                       input is, each also recorded in wtmp by logwtmp
//	libc session ID USER HOST SECONDS ADDRESS
//	                       login, logout and logwtmp on that terminal; copies of
//	                       the utmp file after the first two are utmp.login and
//	                       utmp.logout
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utmp.h>
#include <utmpx.h>

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int next(struct utmpx *u)
{
	size_t n = fread(u, 1, sizeof *u, stdin);

	if (n != 0 && n != sizeof *u) {
		fprintf(stderr, "a record of %zu bytes was sent; mine have %zu\n", n, sizeof *u);
		exit(1);
	}
	return n != 0;
}

static void put(const struct utmpx *u)
{
	setutxent();
	if (pututxline(u) == NULL)
		die("pututxline");
}

// updwtmpx reports a failure only in errno.
static void append(const char *name, const struct utmpx *u)
{
	errno = 0;
	updwtmpx(name, u);
	if (errno != 0)
		die("updwtmpx");
}

static void answer(const struct utmpx *u)
{
	putchar(u != NULL);
	if (u != NULL)
		fwrite(u, sizeof *u, 1, stdout);
}

static void all(void)
{
	struct utmpx *u;

	setutxent();
	while ((u = getutxent()) != NULL)
		fwrite(u, sizeof *u, 1, stdout);
	endutxent();
}

// watch ends after a complete pass.
static void watch(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };

	do {
		all();
		fflush(stdout);
	} while (poll(&in, 1, 0) == 0);
}

static void hold(const char *name, const char *kind)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(name, O_RDWR);

	if (strcmp(kind, "read") == 0)
		lock.l_type = F_RDLCK;
	if (fd < 0 || fcntl(fd, F_SETLKW, &lock) < 0)
		die(name);
	puts("locked");
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static void sessions(int n)
{
	const char *line = ttyname(0);
	struct utmp u;
	int i;

	if (line == NULL)
		die("ttyname");
	line += strlen("/dev/");
	for (i = 1; i <= n; i++) {
		memset(&u, 0, sizeof u);
		strcpy(u.ut_id, "t");
		strcpy(u.ut_user, "alice");
		strcpy(u.ut_host, "host.example");
		u.ut_tv.tv_sec = 1750000000 + i;
		login(&u); // reports no failure
		if (!logout(line))
			die("logout");
		logwtmp(line, "", "");
	}
}

static void copy(const char *from, const char *to)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	int c;

	if (in == NULL || out == NULL)
		die(to);
	while ((c = getc(in)) != EOF)
		putc(c, out);
	if (ferror(in) || fclose(in) != 0 || fclose(out) != 0)
		die(to);
}

static void session(char **argv)
{
	const char *line = ttyname(0);
	struct utmp u;

	if (line == NULL)
		die("ttyname");
	line += strlen("/dev/");
	memset(&u, 0, sizeof u);
	strncpy(u.ut_id, argv[0], sizeof u.ut_id);
	strncpy(u.ut_user, argv[1], sizeof u.ut_user);
	strncpy(u.ut_host, argv[2], sizeof u.ut_host);
	u.ut_tv.tv_sec = atoi(argv[3]);
	if (strchr(argv[4], ':') != NULL)
		inet_pton(AF_INET6, argv[4], u.ut_addr_v6);
	else
		inet_pton(AF_INET, argv[4], u.ut_addr_v6);
	login(&u);
	copy(_PATH_UTMP, _PATH_UTMP ".login");
	if (!logout(line))
		die("logout");
	copy(_PATH_UTMP, _PATH_UTMP ".logout");
	logwtmp(line, "", "");
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "", *file = argc > 2 ? argv[2] : "";
	struct utmpx u;

	if (strcmp(command, "version") == 0)
		puts(gnu_get_libc_version());
	else if (strcmp(command, "login") == 0 && argc == 3)
		sessions(atoi(file));
	else if (strcmp(command, "session") == 0 && argc == 7)
		session(argv + 2);
	else if (strcmp(command, "hold") == 0 && argc == 4)
		hold(file, argv[3]);
	else if (argc < 3)
		return 2;
	else if (utmpname(file) != 0)
		die(file);
	else if (strcmp(command, "put") == 0)
		while (next(&u))
			put(&u);
	else if (strcmp(command, "log") == 0)
		while (next(&u))
			append(file, &u);
	else if (strcmp(command, "both") == 0 && argc == 4)
		while (next(&u)) {
			put(&u);
			append(argv[3], &u);
		}
	else if (strcmp(command, "getid") == 0)
		while (next(&u)) {
			setutxent();
			answer(getutxid(&u));
		}
	else if (strcmp(command, "getline") == 0)
		while (next(&u)) {
			setutxent();
			answer(getutxline(&u));
		}
	else if (strcmp(command, "all") == 0)
		all();
	else if (strcmp(command, "watch") == 0)
		watch();
	else
		return 2;
	return 0;
}
