// SPDX-License-Identifier: GPL-2.0
/*
 * vfio_hold GROUP DEVICE: takes a PCI device through VFIO, says "held", and keeps it until the
 * program is ended.
 */

#include "nolibc.h"
#include <linux/vfio.h>

static int failed(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	int container, group;

	if (argc != 3) {
		fprintf(stderr, "usage: vfio_hold /dev/vfio/GROUP DEVICE\n");
		return 2;
	}
	container = open("/dev/vfio/vfio", O_RDWR);
	if (container < 0)
		return failed("/dev/vfio/vfio");
	group = open(argv[1], O_RDWR);
	if (group < 0)
		return failed(argv[1]);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) < 0)
		return failed("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(container, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU) < 0)
		return failed("VFIO_SET_IOMMU");
	if (ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[2]) < 0)
		return failed("VFIO_GROUP_GET_DEVICE_FD");
	printf("held\n");
	fflush(stdout);
	while (1)
		sleep(1000);
}
