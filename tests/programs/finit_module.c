// SPDX-License-Identifier: GPL-2.0
/*
 * finit_module FILE: loads a module, and tries once. busybox's insmod tries again by
 * init_module(), which hides that an allocation has failed.
 */

#include "nolibc.h"

int main(int argc, char **argv)
{
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: finit_module FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || syscall(__NR_finit_module, fd, "", 0) < 0) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
