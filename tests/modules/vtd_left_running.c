// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves a VT-d unit as a kernel that ended without a word would: translating, with its
 * invalidation queue on. The next driver has to take it over.
 *
 *	insmod vtd_left_running.ko base=<physical address> [stop=1]
 *
 * The root table has no entry, so each request faults. The queue has executed a wait. With
 * stop=1 it then stands still at a wait that asks for nothing, with FSTS_REG.IQE set.
 *
 * The tables belong to the unit from here on: they are not freed, not even on unload. Nothing
 * is shared with our driver; the names are those of the VT-d specification.
 */
#include <linux/bits.h>
#include <linux/io.h>
#include <linux/iopoll.h>
#include <linux/mm.h>
#include <linux/module.h>

#define GCMD_REG	0x18
#define GSTS_REG	0x1c
#define RTADDR_REG	0x20
#define FSTS_REG	0x34
#define IQT_REG		0x88
#define IQA_REG		0x90

#define TE		BIT(31)
#define SRTP		BIT(30)
#define QIE		BIT(26)
#define FSTS_IQE	BIT(4)

#define DESCRIPTOR	16
/* inv_wait_dsc with SW set: writes the status data, 1, to an address. */
#define WAIT		0x5ULL
#define WAIT_SW		(BIT_ULL(32) | BIT_ULL(5) | WAIT)

#define TIMEOUT_US	(100 * USEC_PER_MSEC)

static unsigned long base;
module_param(base, ulong, 0444);
MODULE_PARM_DESC(base, "physical address of the unit's registers");

static bool stop;
module_param(stop, bool, 0444);
MODULE_PARM_DESC(stop, "leave the queue stopped at an error");

static int command(void __iomem *registers, u32 bits, u32 status)
{
	u32 value;

	writel(bits, registers + GCMD_REG);
	return readl_poll_timeout(registers + GSTS_REG, value, value & status, 10, TIMEOUT_US);
}

static int leave(void __iomem *registers, char *root, __le64 *ring, __le64 *status)
{
	u32 value;
	int err;

	writeq(virt_to_phys(root), registers + RTADDR_REG);
	err = command(registers, SRTP, SRTP);
	if (!err)
		err = command(registers, TE, TE);
	if (err)
		return err;

	ring[0] = cpu_to_le64(WAIT_SW);
	ring[1] = cpu_to_le64(virt_to_phys(status));
	ring[2] = cpu_to_le64(WAIT);
	/* The unit may read past the caches, and knows of no one who flushes them. */
	wbinvd_on_all_cpus();

	writeq(0, registers + IQT_REG);
	writeq(virt_to_phys(ring), registers + IQA_REG);
	err = command(registers, TE | QIE, QIE);
	if (err)
		return err;

	writeq(DESCRIPTOR, registers + IQT_REG);
	err = read_poll_timeout(le64_to_cpu, value, value == 1, 10, TIMEOUT_US, false,
				READ_ONCE(*status));
	if (err || !stop)
		return err;

	writeq(2 * DESCRIPTOR, registers + IQT_REG);
	return readl_poll_timeout(registers + FSTS_REG, value, value & FSTS_IQE, 10, TIMEOUT_US);
}

static int __init vtd_left_running_init(void)
{
	void __iomem *registers;
	unsigned long pages;
	int err;

	if (!base || !PAGE_ALIGNED(base)) {
		pr_err("base=%#lx: expected the address of a unit's registers\n", base);
		return -EINVAL;
	}
	/* Root table, ring, and what the wait writes. */
	pages = __get_free_pages(GFP_KERNEL | __GFP_ZERO, 2);
	if (!pages)
		return -ENOMEM;
	registers = ioremap(base, PAGE_SIZE);
	if (!registers) {
		free_pages(pages, 2);
		return -ENOMEM;
	}

	err = leave(registers, (char *)pages, (__le64 *)(pages + PAGE_SIZE),
		    (__le64 *)(pages + 2 * PAGE_SIZE));
	if (err)
		pr_err("base=%#lx: the unit does not do as it is told: %d\n", base, err);
	iounmap(registers);
	return err;
}
module_init(vtd_left_running_init);

/* So that it can be unloaded; there is nothing to take back. */
static void __exit vtd_left_running_exit(void)
{
}
module_exit(vtd_left_running_exit);

MODULE_DESCRIPTION("Leaves a VT-d unit translating, for tests");
MODULE_LICENSE("GPL");
