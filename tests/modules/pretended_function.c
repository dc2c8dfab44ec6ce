// SPDX-License-Identifier: GPL-2.0
/*
 * Pretends that there is one more PCI function, alone on a root bus of its own. Its config space
 * is here, it has no registers, and it does no DMA by itself.
 *
 *	insmod pretended_function.ko place=0000:40:02.0 vendor=0x8086 device=0x3e92 class=0x030000
 *	insmod pretended_function.ko place=10000:00:00.0 behind=0000:00:0a.0
 *
 * With behind=, the bus is what the vmd driver makes of a VMD controller: the DMA of what is on it
 * carries the requester ID of the function named. /sys/module/pretended_function/parameters/map
 * then maps a page for DMA of the pretended function, and reads as "IOVA PHYSICAL".
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>

static char *place;
module_param(place, charp, 0444);
MODULE_PARM_DESC(place, "PCI address of the pretended function: 0000:40:02.0");

static char *behind;
module_param(behind, charp, 0444);
MODULE_PARM_DESC(behind, "PCI address of the function whose requester ID its DMA carries");

static ushort vendor = 0x1b36;
module_param(vendor, ushort, 0444);
static ushort device = 0xfffe;
module_param(device, ushort, 0444);
static uint class = 0xff0000;
module_param(class, uint, 0444);

static unsigned int devfn_of_function;
static struct pci_sysdata sysdata = { .node = NUMA_NO_NODE };
static struct resource buses = { .name = "pretended", .flags = IORESOURCE_BUS };
static struct pci_dev *controller;
static struct pci_dev *function;
static struct pci_bus *root;
static struct page *page;
static dma_addr_t iova;

static int read_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	u32 word = 0;

	if (bus != root || devfn != devfn_of_function) {
		*value = ~0;
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	if ((where & ~3) == PCI_VENDOR_ID)
		word = (u32)device << 16 | vendor;
	else if ((where & ~3) == PCI_CLASS_REVISION)
		word = class << 8;
	*value = word >> (where & 3) * 8;
	return PCIBIOS_SUCCESSFUL;
}

static int write_config(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops ops = { .read = read_config, .write = write_config };

static int map_get(char *buffer, const struct kernel_param *kp)
{
	if (!function)
		return -ENODEV;
	if (!page) {
		page = alloc_page(GFP_KERNEL);
		if (!page)
			return -ENOMEM;
		iova = dma_map_page(&function->dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
		if (dma_mapping_error(&function->dev, iova)) {
			__free_page(page);
			page = NULL;
			return -EIO;
		}
	}
	return sysfs_emit(buffer, "%#llx %#llx\n", (u64)iova, (u64)page_to_phys(page));
}

static const struct kernel_param_ops map_ops = { .get = map_get };
module_param_cb(map, &map_ops, NULL, 0400);

static int parse(const char *name, unsigned int *segment, unsigned int *bus, unsigned int *devfn)
{
	unsigned int slot, number;

	if (!name || sscanf(name, "%x:%x:%x.%x", segment, bus, &slot, &number) != 4)
		return -EINVAL;
	*devfn = PCI_DEVFN(slot, number);
	return 0;
}

static int __init pretended_function_init(void)
{
	unsigned int segment, bus, devfn;
	LIST_HEAD(resources);

	if (behind) {
		if (parse(behind, &segment, &bus, &devfn))
			return -EINVAL;
		controller = pci_get_domain_bus_and_slot(segment, bus, devfn);
		if (!controller)
			return -ENODEV;
#if IS_ENABLED(CONFIG_VMD)
		sysdata.vmd_dev = controller;
#endif
	}
	if (parse(place, &segment, &bus, &devfn_of_function)) {
		pci_dev_put(controller);
		return -EINVAL;
	}
	sysdata.domain = segment;
	buses.start = bus;
	buses.end = bus;
	pci_add_resource(&resources, &buses);
	root = pci_create_root_bus(controller ? &controller->dev : NULL, bus, &ops, &sysdata,
				   &resources);
	if (!root) {
		pci_free_resource_list(&resources);
		pci_dev_put(controller);
		return -ENODEV;
	}
	pci_lock_rescan_remove();
	pci_scan_child_bus(root);
	pci_bus_add_devices(root);
	pci_unlock_rescan_remove();
	function = pci_get_domain_bus_and_slot(segment, bus, devfn_of_function);
	return 0;
}
module_init(pretended_function_init);

static void __exit pretended_function_exit(void)
{
	if (page) {
		dma_unmap_page(&function->dev, iova, PAGE_SIZE, DMA_BIDIRECTIONAL);
		__free_page(page);
	}
	pci_dev_put(function);
	pci_lock_rescan_remove();
	pci_stop_root_bus(root);
	pci_remove_root_bus(root);
	pci_unlock_rescan_remove();
	pci_dev_put(controller);
}
module_exit(pretended_function_exit);

MODULE_DESCRIPTION("Pretends that there is one more PCI function, for tests");
MODULE_LICENSE("GPL");
