// SPDX-License-Identifier: GPL-2.0
/*
 * Turns the memory window of PCI configuration space on again when the machine wakes, before any
 * device does. That is the work of firmware, which SeaBIOS leaves undone: without it, everything
 * above the first 256 bytes of a function reads as 0 after sleep.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/syscore_ops.h>

/* Of the host bridge of QEMU's q35; its lowest bit turns the window on. */
#define PCIEXBAR	0x60

static struct pci_dev *host_bridge;
static u32 window;

static void turn_on(void *unused)
{
	/* The first 256 bytes are reached by I/O ports. */
	pci_write_config_dword(host_bridge, PCIEXBAR, window);
}

static const struct syscore_ops operations = {
	.resume = turn_on,
};

static struct syscore syscore = {
	.ops = &operations,
};

static int __init ecam_resume_init(void)
{
	host_bridge = pci_get_domain_bus_and_slot(0, 0, PCI_DEVFN(0, 0));
	if (!host_bridge)
		return -ENODEV;
	pci_read_config_dword(host_bridge, PCIEXBAR, &window);
	register_syscore(&syscore);
	return 0;
}
module_init(ecam_resume_init);

static void __exit ecam_resume_exit(void)
{
	unregister_syscore(&syscore);
	pci_dev_put(host_bridge);
}
module_exit(ecam_resume_exit);

MODULE_DESCRIPTION("Does what firmware forgets when a machine wakes, for tests");
MODULE_LICENSE("GPL");
