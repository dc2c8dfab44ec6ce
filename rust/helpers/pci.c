// SPDX-License-Identifier: GPL-2.0
/*
 * What rust/pci needs of PCI that is inline or a macro in C.
 */
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/mutex.h>
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

/*
 * The function whose requester ID the DMA of @pdev carries: pci_real_dma_dev(), which is not
 * exported.
 */
struct pci_dev *rust_iommu_helper_pci_dma_function(struct pci_dev *pdev)
{
#ifdef CONFIG_X86
	if (is_vmd(pdev->bus))
		return to_pci_sysdata(pdev->bus)->vmd_dev;
#endif
	return pdev;
}

/*
 * Held by the one task that holds the locks of many devices. Lockdep then counts those as one lock:
 * it knows 48 for a task, and machines have more functions.
 */
static DEFINE_MUTEX(holding);

void rust_iommu_helper_hold_begin(void)
{
	mutex_lock(&holding);
	pci_lock_rescan_remove();
}

void rust_iommu_helper_hold_end(void)
{
	pci_unlock_rescan_remove();
	mutex_unlock(&holding);
}

bool rust_iommu_helper_hold(struct device *dev)
{
	return mutex_trylock_nest_lock(&dev->mutex, &holding);
}

void rust_iommu_helper_let_go(struct device *dev)
{
	device_unlock(dev);
}

/* Waits for whoever holds the lock of @dev now. */
void rust_iommu_helper_await(struct device *dev)
{
	device_lock(dev);
	device_unlock(dev);
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
	const char *state = NULL;
	char *text;

	if (dev->class && !strcmp(dev->class->name, "vfio-dev")) {
		/* Whatever driver it is: its remove waits until user space lets go. */
		state = "is user space's (VFIO)";
	} else if (dev->class && !strcmp(dev->class->name, "net")) {
		if (to_net_dev(dev)->flags & IFF_UP)
			state = "is up";
	} else if (dev->type && dev->type->name && !strcmp(dev->type->name, "disk")) {
		struct gendisk *disk = dev_to_disk(dev);

		if (disk->flags & GENHD_FL_HIDDEN)
			state = "is a path of a multipath disk";
		else if (disk_openers(disk))
			state = "is open";
	}
	if (!state)
		return device_for_each_child(dev, why, child_in_use);
	text = kasprintf(GFP_KERNEL, "serves %s, which %s", dev_name(dev), state);
	*(char **)why = text ? text : ERR_PTR(-ENOMEM);
	return 1;
}

/*
 * Why the driver of @pdev must not be released, or NULL if nothing is known. What is below a bridge
 * is not the bridge's: it has a driver of its own. An error pointer if there is no memory for the
 * text.
 */
char *rust_iommu_helper_why_busy(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;
	const char *reason = NULL;
	char *why = NULL;

	device_lock(dev);
	if (!dev->driver)
		goto unlock;
	if (dev->driver->suppress_bind_attrs)
		reason = "does not allow it";
	else if (pci_num_vf(pdev))
		reason = "has virtual functions enabled";
	else if (!pdev->subordinate)
		device_for_each_child(dev, &why, child_in_use);
	if (reason) {
		why = kstrdup(reason, GFP_KERNEL);
		if (!why)
			why = ERR_PTR(-ENOMEM);
	}
unlock:
	device_unlock(dev);
	return why;
}
