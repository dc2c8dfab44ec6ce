// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/pci needs of PCI that is inline or a macro in C.
 */
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "helpers.h"

struct pci_dev *rust_iommu_helper_to_pci_dev(struct device *dev)
{
	return dev_is_pci(dev) ? to_pci_dev(dev) : NULL;
}

int rust_iommu_helper_pci_domain_nr(struct pci_dev *pdev)
{
	return pci_domain_nr(pdev->bus);
}

struct pci_dev *rust_iommu_helper_pci_physfn(struct pci_dev *pdev)
{
	return pci_physfn(pdev);
}

static int child_in_use(struct device *dev, void *name)
{
	bool in_use = false;

	if (dev->class && !strcmp(dev->class->name, "net"))
		in_use = to_net_dev(dev)->flags & IFF_UP;
	else if (dev->type && dev->type->name && !strcmp(dev->type->name, "disk"))
		in_use = disk_openers(dev_to_disk(dev)) > 0;

	if (in_use) {
		*(const char **)name = dev_name(dev);
		return 1;
	}
	return device_for_each_child(dev, name, child_in_use);
}

/* The name of a disk or network interface below @dev that is in use, or NULL. */
const char *rust_iommu_helper_device_in_use(struct device *dev)
{
	const char *name = NULL;

	device_for_each_child(dev, &name, child_in_use);
	return name;
}
