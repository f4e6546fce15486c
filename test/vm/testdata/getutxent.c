// SPDX-License-Identifier: BSD-2-Clause

// getutxent prints the live entries of the utmpx file as the C library sees
// them, one a line: type, pid, line, user, host.
#include <stdio.h>
#include <utmpx.h>

int main(void)
{
	struct utmpx *e;

	setutxent();
	while ((e = getutxent()) != NULL)
		printf("%d %d %.32s %.32s %.256s\n", e->ut_type, (int)e->ut_pid, e->ut_line, e->ut_user, e->ut_host);
	endutxent();
	return 0;
}
