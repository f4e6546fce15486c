// SPDX-License-Identifier: BSD-2-Clause

// readlock FILE takes a read lock on the whole file, as any reader can, prints
// "locked", and holds the lock until standard input ends.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char c;
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fcntl(fd, F_SETLKW, &lock) < 0) {
		perror(argv[1]);
		return 1;
	}
	puts("locked");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
