// SPDX-License-Identifier: BSD-2-Clause

// stuck DEVICE FILE makes itself a process of whose memory nobody can read anything: a
// thread of it faults on a page of a file, and holds the lock of the memory while it waits
// for a FUSE server that does not answer; another one waits to change the memory, and whoever
// comes after that one waits too. An ordinary user can do that in a user namespace.
// It says "stuck" on standard output. The end of its server frees it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 4096

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void set(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(file);
	close(fd);
}

static void answer(int fd, const struct fuse_in_header *in, int error, const void *body, size_t n)
{
	char buf[sizeof(struct fuse_out_header) + 256];
	struct fuse_out_header out = { sizeof out + n, error, in->unique };

	memcpy(buf, &out, sizeof out);
	if (n > 0)
		memcpy(buf + sizeof out, body, n);
	if (write(fd, buf, out.len) < 0 && errno != ENOENT)
		die("answer");
}

// serve is the server of one file. Its first answer to a read is an error: the kernel
// waits for that one without the lock, and for the second with it. That one it never gives.
static void serve(int fd, int asked)
{
	static char buf[1 << 17];
	int reads = 0;

	for (;;) {
		struct fuse_in_header *in = (struct fuse_in_header *)buf;
		struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = SIZE };
		struct fuse_attr_out attr = { .attr_valid = 3600, .attr = { .ino = 1, .size = SIZE, .mode = S_IFREG | 0644, .nlink = 1 } };
		struct fuse_open_out opened = { .fh = 1 };

		if (read(fd, buf, sizeof buf) <= 0)
			exit(0); // unmounted
		switch (in->opcode) {
		case FUSE_INIT:
			answer(fd, in, 0, &init, sizeof init);
			break;
		case FUSE_GETATTR:
			answer(fd, in, 0, &attr, sizeof attr);
			break;
		case FUSE_OPEN:
			answer(fd, in, 0, &opened, sizeof opened);
			break;
		case FUSE_READ:
			if (reads++ == 0)
				answer(fd, in, -EIO, NULL, 0);
			else if (write(asked, "", 1) < 0)
				die("asked");
			break;
		case FUSE_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(fd, in, -ENOSYS, NULL, 0);
		}
	}
}

static void *touch(void *page) { return (void *)(long)*(volatile char *)page; }

int main(int argc, char **argv)
{
	char text[100], *page;
	int asked[2], fd;
	unsigned uid = getuid(), gid = getgid();
	struct stat st;
	pthread_t thread;

	if (argc < 3)
		return 2;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		die("unshare");
	prctl(PR_SET_DUMPABLE, 1);
	set("/proc/self/setgroups", "deny");
	snprintf(text, sizeof text, "%u %u 1", uid, uid);
	set("/proc/self/uid_map", text);
	snprintf(text, sizeof text, "%u %u 1", gid, gid);
	set("/proc/self/gid_map", text);
	if ((fd = open(argv[1], O_RDWR)) < 0)
		die(argv[1]);
	snprintf(text, sizeof text, "fd=%d,rootmode=100644,user_id=%u,group_id=%u", fd, uid, gid);
	if (mount("stuck", argv[2], "fuse", MS_NOSUID | MS_NODEV, text) < 0)
		die("mount");
	if (pipe(asked) < 0)
		die("pipe");
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		prctl(PR_SET_NAME, "server");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd, asked[1]);
	}
	close(asked[1]);
	close(fd); // with the last one the kernel ends what waits for the server
	if ((fd = open(argv[2], O_RDONLY)) < 0 || fstat(fd, &st) < 0) // its size
		die(argv[2]);
	page = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		die("mmap");
	if (pthread_create(&thread, NULL, touch, page) != 0)
		die("thread");
	if (read(asked[0], text, 1) != 1)
		die("no second read");
	puts("stuck");
	fflush(stdout);
	mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return 0;
}
