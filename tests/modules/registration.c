// SPDX-License-Identifier: GPL-2.0
/*
 * Does something at the moment an IOMMU driver registers with the kernel's C core.
 *
 *	insmod registration.ko at=before|after|refuse device=0000:00:0a.0 [nth=1]
 *
 * before, after: just before or after the call, a driver for QEMU's iommu-testdev is loaded, as
 * udev may do at any moment. It is given a third of a second to bind to the device, then the call
 * goes on. Once it has bound, it has the device write to memory that it mapped for it.
 * /sys/module/registration/parameters/ says what came of it.
 *
 * refuse: the nth call from now on does nothing, and returns EIO.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

#define TRIGGER		0x00
#define IOVA_LOW	0x04
#define IOVA_HIGH	0x08
#define LENGTH		0x0c
#define RESULT		0x10
#define ARM		0x14
#define PHYSICAL_LOW	0x1c
#define PHYSICAL_HIGH	0x20

#define FUNCTION	"iommu_device_register"
#define PATIENCE_MS	333

static char *at = "after";
module_param(at, charp, 0444);
MODULE_PARM_DESC(at, "before, after or refuse");

static char *device = "";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "PCI address of the iommu-testdev: 0000:00:0a.0");

static int nth = 1;
module_param(nth, int, 0444);
MODULE_PARM_DESC(nth, "which call is refused");

static bool tried;
module_param(tried, bool, 0444);
MODULE_PARM_DESC(tried, "the call was seen");

static bool early;
module_param(early, bool, 0444);
MODULE_PARM_DESC(early, "the driver has bound while the call waited");

static bool bound;
module_param(bound, bool, 0444);
MODULE_PARM_DESC(bound, "the driver has bound");

static bool arrived;
module_param(arrived, bool, 0444);
MODULE_PARM_DESC(arrived, "what the device wrote was found where it was to be");

static bool waiting, loaded;

static int write_to(void __iomem *registers, dma_addr_t iova, phys_addr_t physical)
{
	writel(lower_32_bits(iova), registers + IOVA_LOW);
	writel(upper_32_bits(iova), registers + IOVA_HIGH);
	writel(lower_32_bits(physical), registers + PHYSICAL_LOW);
	writel(upper_32_bits(physical), registers + PHYSICAL_HIGH);
	writel(4, registers + LENGTH);
	writel(1, registers + ARM);
	readl(registers + TRIGGER);
	return readl(registers + RESULT) ? -EIO : 0;
}

static int testdev_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void __iomem *registers;
	dma_addr_t iova;
	void *page;
	int err;

	if (strcmp(pci_name(pdev), device))
		return -ENODEV;
	early = READ_ONCE(waiting);
	bound = true;
	err = pcim_enable_device(pdev);
	if (err)
		return err;
	pci_set_master(pdev);
	registers = pcim_iomap(pdev, 0, 0);
	page = (void *)devm_get_free_pages(&pdev->dev, GFP_KERNEL | __GFP_ZERO, 0);
	if (!registers || !page)
		return -ENOMEM;
	iova = dma_map_single(&pdev->dev, page, PAGE_SIZE, DMA_FROM_DEVICE);
	if (dma_mapping_error(&pdev->dev, iova))
		return -ENOMEM;
	arrived = !write_to(registers, iova, virt_to_phys(page));
	pci_info(pdev, "wrote to %pad: %s\n", &iova, arrived ? "arrived" : "lost");
	dma_unmap_single(&pdev->dev, iova, PAGE_SIZE, DMA_FROM_DEVICE);
	return 0;
}

static const struct pci_device_id testdev_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT, 0x0005) },
	{ }
};

static struct pci_driver testdev_driver = {
	.name = "registration",
	.id_table = testdev_ids,
	.probe = testdev_probe,
};

static void load_driver(struct work_struct *work)
{
	if (pci_register_driver(&testdev_driver))
		pr_err("the driver cannot be registered\n");
	else
		WRITE_ONCE(loaded, true);
}

static DECLARE_WORK(load_work, load_driver);

/* Another CPU has the driver loaded: here nothing may sleep. */
static void load_and_wait(void)
{
	if (tried)
		return;
	tried = true;
	WRITE_ONCE(waiting, true);
	schedule_work_on(!raw_smp_processor_id(), &load_work);
	for (int i = 0; i < PATIENCE_MS && !READ_ONCE(loaded); i++)
		mdelay(1);
	WRITE_ONCE(waiting, false);
}

static int at_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (!strcmp(at, "before"))
		load_and_wait();
	return 0;
}
NOKPROBE_SYMBOL(at_entry);

static int at_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (!strcmp(at, "after"))
		load_and_wait();
	return 0;
}
NOKPROBE_SYMBOL(at_return);

static struct kretprobe around = {
	.kp.symbol_name = FUNCTION,
	.entry_handler = at_entry,
	.handler = at_return,
};

/* What runs in place of the function that is refused. */
static noinline int refused(void)
{
	return -EIO;
}

static int refuse(struct kprobe *kprobe, struct pt_regs *regs)
{
	if (--nth)
		return 0;
	tried = true;
	instruction_pointer_set(regs, (unsigned long)refused);
	return 1;
}
NOKPROBE_SYMBOL(refuse);

static struct kprobe refusing = {
	.symbol_name = FUNCTION,
	.pre_handler = refuse,
};

static bool refuses(void)
{
	return !strcmp(at, "refuse");
}

static int __init registration_init(void)
{
	return refuses() ? register_kprobe(&refusing) : register_kretprobe(&around);
}
module_init(registration_init);

static void __exit registration_exit(void)
{
	if (refuses())
		unregister_kprobe(&refusing);
	else
		unregister_kretprobe(&around);
	flush_work(&load_work);
	if (loaded)
		pci_unregister_driver(&testdev_driver);
}
module_exit(registration_exit);

MODULE_DESCRIPTION("Interferes where an IOMMU driver registers, for tests");
MODULE_LICENSE("GPL");
