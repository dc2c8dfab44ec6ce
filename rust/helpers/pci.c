// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/pci needs of PCI that is inline or a macro in C.
 */
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/slab.h>
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

char *rust_iommu_helper_driver_name(struct device *dev)
{
	char *name = NULL;

	device_lock(dev);
	if (dev->driver)
		name = kstrdup(dev->driver->name, GFP_KERNEL);
	device_unlock(dev);
	return name;
}

/* Why the device @dev, somewhere below a function, must not lose its driver. */
static int child_in_use(struct device *dev, void *why)
{
	char *text = NULL;

	if (dev->class && !strcmp(dev->class->name, "net")) {
		if (to_net_dev(dev)->flags & IFF_UP)
			text = kasprintf(GFP_KERNEL, "serves %s, which is up", dev_name(dev));
	} else if (dev->type && dev->type->name && !strcmp(dev->type->name, "disk")) {
		struct gendisk *disk = dev_to_disk(dev);

		if (disk->flags & GENHD_FL_HIDDEN)
			text = kasprintf(GFP_KERNEL, "serves %s, a path of a multipath disk",
					 dev_name(dev));
		else if (disk_openers(disk))
			text = kasprintf(GFP_KERNEL, "serves %s, which is open", dev_name(dev));
	}
	if (text) {
		*(char **)why = text;
		return 1;
	}
	return device_for_each_child(dev, why, child_in_use);
}

/*
 * Why the driver of @pdev must not be released, or NULL if nothing is known. What is below a bridge
 * is not the bridge's: it has a driver of its own.
 */
char *rust_iommu_helper_why_busy(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;
	char *why = NULL;

	device_lock(dev);
	if (!dev->driver)
		goto unlock;
	if (dev->driver->suppress_bind_attrs)
		why = kstrdup("does not allow it", GFP_KERNEL);
	else if (!strcmp(dev->driver->name, "vfio-pci"))
		why = kstrdup("serves VFIO", GFP_KERNEL);
	else if (pci_num_vf(pdev))
		why = kstrdup("has virtual functions enabled", GFP_KERNEL);
	else if (!pdev->subordinate)
		device_for_each_child(dev, &why, child_in_use);
unlock:
	device_unlock(dev);
	return why;
}
