// SPDX-License-Identifier: GPL-2.0
/*
 * Has QEMU's iommu-testdev write, again and again, from a thread of its own, whatever driver
 * has the device and whatever is loaded meanwhile.
 *
 *	insmod testdev_writer.ko device=0000:00:0a.0 iova=<address>
 *
 * It writes where the IOVA is its own physical address, as firmware's memory (RMRR) must be.
 * /sys/module/testdev_writer/parameters/ tells how many writes there were and how many did not
 * arrive.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>

#define TRIGGER		0x00
#define IOVA_LOW	0x04
#define IOVA_HIGH	0x08
#define LENGTH		0x0c
#define RESULT		0x10
#define ARM		0x14
#define PHYSICAL_LOW	0x1c
#define PHYSICAL_HIGH	0x20

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "PCI address of the iommu-testdev: 0000:00:0a.0");

static ulong iova;
module_param(iova, ulong, 0444);
MODULE_PARM_DESC(iova, "where it writes, in bytes");

static ulong writes;
module_param(writes, ulong, 0444);
MODULE_PARM_DESC(writes, "writes so far");

static ulong failures;
module_param(failures, ulong, 0444);
MODULE_PARM_DESC(failures, "writes that did not arrive");

static struct pci_dev *testdev;
static void __iomem *registers;
static struct task_struct *thread;

static int write_until_stopped(void *unused)
{
	while (!kthread_should_stop()) {
		u32 result;

		writel(1, registers + ARM);
		readl(registers + TRIGGER);
		result = readl(registers + RESULT);
		if (result) {
			if (!failures)
				pr_warn("%s: a write to %#lx ended with %#x\n",
					device, iova, result);
			WRITE_ONCE(failures, failures + 1);
		}
		WRITE_ONCE(writes, writes + 1);
		usleep_range(20, 50);
	}
	return 0;
}

static struct pci_dev *find(const char *name)
{
	unsigned int domain, bus, slot, function;

	if (!name || sscanf(name, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
}

static int __init testdev_writer_init(void)
{
	testdev = find(device);
	if (!testdev) {
		pr_err("device=%s: expected the address of a PCI device, as in 0000:00:0a.0\n",
		       device ?: "");
		return -ENODEV;
	}
	registers = ioremap(pci_resource_start(testdev, 0), PAGE_SIZE);
	if (!registers) {
		pci_dev_put(testdev);
		return -ENOMEM;
	}
	writel(lower_32_bits(iova), registers + IOVA_LOW);
	writel(upper_32_bits(iova), registers + IOVA_HIGH);
	writel(lower_32_bits(iova), registers + PHYSICAL_LOW);
	writel(upper_32_bits(iova), registers + PHYSICAL_HIGH);
	writel(4, registers + LENGTH);

	thread = kthread_run(write_until_stopped, NULL, "testdev_writer");
	if (IS_ERR(thread)) {
		iounmap(registers);
		pci_dev_put(testdev);
		return PTR_ERR(thread);
	}
	return 0;
}
module_init(testdev_writer_init);

static void __exit testdev_writer_exit(void)
{
	kthread_stop(thread);
	iounmap(registers);
	pci_dev_put(testdev);
}
module_exit(testdev_writer_exit);

MODULE_DESCRIPTION("Has iommu-testdev write all the time, for tests");
MODULE_LICENSE("GPL");
