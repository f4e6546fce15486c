// SPDX-License-Identifier: BSD-2-Clause

// layout prints where this machine's libc has each field of struct utmpx, as
// lines of name, offset and width in bytes; "layout sample" writes one record
// with every field set. It calls nothing of libc's utmpx, so that it serves for
// musl also, whose functions do nothing.
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <utmpx.h>

#define FIELD(name, field) \
	printf("%s %zu %zu\n", name, offsetof(struct utmpx, field), sizeof(((struct utmpx *)0)->field))

static void sample(void)
{
	struct utmpx u;
	short status[2] = { 15, 3 };
	unsigned char *addr = (unsigned char *)&u.ut_addr_v6;
	int i;

	memset(&u, 0, sizeof u);
	u.ut_type = USER_PROCESS;
	u.ut_pid = 123456;
	memcpy(u.ut_line, "pts/1", 5);
	memcpy(u.ut_id, "ts/1", 4);
	memcpy(u.ut_user, "alice", 5);
	memcpy(u.ut_host, "host.example", 12);
	memcpy(&u.ut_exit, status, sizeof status);
	u.ut_session = 654321;
	u.ut_tv.tv_sec = 1750000000;
	u.ut_tv.tv_usec = 987654;
	for (i = 0; i < 16; i++)
		addr[i] = i + 1;
	fwrite(&u, sizeof u, 1, stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "sample") == 0) {
		sample();
		return 0;
	}
	printf("size 0 %zu\n", sizeof(struct utmpx));
	FIELD("type", ut_type);
	FIELD("pid", ut_pid);
	FIELD("line", ut_line);
	FIELD("id", ut_id);
	FIELD("user", ut_user);
	FIELD("host", ut_host);
	FIELD("exit", ut_exit);
	FIELD("session", ut_session);
	FIELD("sec", ut_tv.tv_sec);
	FIELD("usec", ut_tv.tv_usec);
	FIELD("addr", ut_addr_v6);
	return 0;
}
