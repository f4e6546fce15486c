// SPDX-License-Identifier: BSD-2-Clause

// impostor HOW NUMBER [ROOT] leads a terminal that has the number of somebody else's. It
// prints the leader's pid once that is so, and waits until it is killed.
//
//	container  in a user namespace with a devpts of its own
//	handed     of such a devpts, but the leader is outside: the terminal was handed to it
//	chroot     in the directory ROOT, which has a devpts of its own
//	crowd      as handed, a hundred times; the last one prints its pid last
//	take       of the machine's, as soon as the number is free. The leader begins at once,
//	           and says so with "ready"; it waits for a line on its standard input
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define NEWNS 0x00020000
#define NEWUSER 0x10000000
#define GET_NUMBER 0x80045430 // TIOCGPTN
#define SET_LOCK 0x40045431   // TIOCSPTLCK
#define LEAD 0x540e           // TIOCSCTTY

int unshare(int);

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(name);
	close(fd);
}

// contain makes the namespaces, as any user can.
static void contain(void)
{
	char map[64];
	int uid = getuid(), gid = getgid();

	if (unshare(NEWUSER | NEWNS) < 0)
		die("unshare");
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %d 1", uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %d 1", gid);
	put("/proc/self/gid_map", map);
	if (mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666") < 0)
		die("mount");
}

// terminal opens terminals of /dev/pts until it has the one with that number, and returns
// its slave.
static int terminal(int number)
{
	char path[32];
	int master, slave, got, unlocked = 0;

	for (;;) {
		master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
		if (master < 0 || ioctl(master, GET_NUMBER, &got) < 0)
			die("ptmx");
		if (got == number)
			break;
		if (got > number) {
			close(master);
			usleep(1000);
		}
	}
	ioctl(master, SET_LOCK, &unlocked);
	snprintf(path, sizeof path, "/dev/pts/%d", number);
	slave = open(path, O_RDWR | O_NOCTTY);
	if (slave < 0)
		die(path);
	return slave;
}

// lead leads a terminal, and never returns.
static void lead(int slave)
{
	signal(SIGHUP, SIG_IGN);
	setsid();
	if (ioctl(slave, LEAD, 0) < 0)
		die("lead");
	printf("%d\n", (int)getpid());
	fflush(stdout);
	for (;;)
		pause();
}

// pass sends a descriptor, and receive receives it.
static void pass(int socket, int fd)
{
	char byte = 0, control[64];
	struct iovec data = {&byte, 1};
	struct msghdr m;
	struct cmsghdr *c;

	memset(&m, 0, sizeof m);
	memset(control, 0, sizeof control);
	m.msg_iov = &data;
	m.msg_iovlen = 1;
	m.msg_control = control;
	m.msg_controllen = CMSG_SPACE(sizeof fd);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	if (sendmsg(socket, &m, 0) < 0)
		die("sendmsg");
}

static int receive(int socket)
{
	char byte, control[64];
	struct iovec data = {&byte, 1};
	struct msghdr m;
	int fd;

	memset(&m, 0, sizeof m);
	m.msg_iov = &data;
	m.msg_iovlen = 1;
	m.msg_control = control;
	m.msg_controllen = sizeof control;
	if (recvmsg(socket, &m, 0) < 0 || CMSG_FIRSTHDR(&m) == NULL)
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

static void handed(int number)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		die("socketpair");
	if (fork() == 0)
		lead(receive(ends[0]));
	contain();
	pass(ends[1], terminal(number));
}

// crowd begins the next one when the last one leads.
static void crowd(int number)
{
	int ends[2], out = dup(1), i;
	char line[16];

	for (i = 0; i < 100; i++) {
		if (pipe(ends) < 0)
			die("pipe");
		if (fork() == 0) {
			dup2(i < 99 ? ends[1] : out, 1);
			handed(number);
			for (;;)
				pause();
		}
		close(ends[1]);
		if (i < 99 && read(ends[0], line, sizeof line) <= 0)
			exit(1);
	}
}

static void take(int number)
{
	int ends[2], fd;
	char line[8], path[32];

	if (pipe(ends) < 0)
		die("pipe");
	if (fork() == 0) {
		close(ends[1]); // so that it ends with its parent
		puts("ready");
		fflush(stdout);
		if (read(ends[0], line, 1) != 1)
			exit(1);
		snprintf(path, sizeof path, "/dev/pts/%d", number);
		fd = open(path, O_RDWR | O_NOCTTY);
		if (fd < 0)
			die(path);
		lead(fd);
	}
	if (read(0, line, 1) != 1)
		exit(1);
	terminal(number);
	if (write(ends[1], "x", 1) != 1)
		die("write");
}

int main(int argc, char **argv)
{
	int number;

	if (argc < 3)
		return 2;
	number = atoi(argv[2]);
	if (strcmp(argv[1], "container") == 0) {
		contain();
		if (fork() == 0)
			lead(terminal(number));
	} else if (strcmp(argv[1], "chroot") == 0) {
		if (chroot(argv[3]) < 0 || chdir("/") < 0)
			die(argv[3]);
		if (fork() == 0)
			lead(terminal(number));
	} else if (strcmp(argv[1], "handed") == 0) {
		handed(number);
	} else if (strcmp(argv[1], "crowd") == 0) {
		crowd(number);
	} else {
		take(number);
	}
	for (;;)
		pause();
}
