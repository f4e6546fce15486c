// SPDX-License-Identifier: BSD-2-Clause

// leaderless ends its first thread and continues in another. /proc then shows the
// process as a zombie.
#include <pthread.h>
#include <unistd.h>

static void *live(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, live, NULL) != 0)
		return 1;
	pthread_exit(NULL);
}
