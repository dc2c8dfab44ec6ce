// SPDX-License-Identifier: GPL-2.0
/*
 * A VT-d unit whose registers are memory: QEMU has one unit only. It executes commands and the
 * invalidation queue, and translates nothing. It can be told not to answer to a command.
 *
 *	insmod vtd_in_memory.ko base=<physical address of a page that the kernel leaves alone>
 *	echo root >/sys/module/vtd_in_memory/parameters/ignore	(root, queue, translation or none)
 *
 * Nothing is shared with our driver; the names are those of the VT-d specification.
 */
#include <linux/bits.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#define VER_REG		0x00
#define CAP_REG		0x08
#define ECAP_REG	0x10
#define GCMD_REG	0x18
#define GSTS_REG	0x1c
#define IQH_REG		0x80
#define IQT_REG		0x88
#define IQA_REG		0x90

#define TE		BIT(31)
#define SRTP		BIT(30)
#define QIE		BIT(26)
/* In GCMD_REG: nobody has written since. A reserved bit. */
#define IDLE		BIT(0)

/* Those of QEMU: 48 bits, 65536 domains, fault records at 0x220; QI and pass-through. */
#define CAPABILITIES	0x80d2008c222f0606ULL
#define EXTENDED	0xf42ULL

#define DESCRIPTOR	16
#define WAIT		0x5
#define WAIT_SW		BIT(5)

static unsigned long base;
module_param(base, ulong, 0444);
MODULE_PARM_DESC(base, "physical address of the page for its registers");

static char ignore[16] = "none";
module_param_string(ignore, ignore, sizeof(ignore), 0644);
MODULE_PARM_DESC(ignore, "the command that it does not answer: root, queue or translation");

static void __iomem *registers;
static DEFINE_SPINLOCK(lock);
/* One for each CPU: one of them may wait for the unit with interrupts off. */
static struct task_struct *threads[NR_CPUS];

static u32 answer(u32 status, u32 command, u32 bit, const char *name)
{
	if (sysfs_streq(ignore, name))
		return status;
	return (status & ~bit) | (command & bit);
}

static void execute_command(u32 command)
{
	u32 before = readl(registers + GSTS_REG);
	u32 status = before;

	if (command & SRTP) {
		/* Done, or not: it stays set after the last time. */
		status = answer(status & ~SRTP, command, SRTP, "root");
	} else {
		status = answer(status, command, TE, "translation");
		status = answer(status, command, QIE, "queue");
	}
	if (status & ~before & QIE)
		writeq(0, registers + IQH_REG);
	writel(status, registers + GSTS_REG);
}

static void execute_queue(void)
{
	u64 queue = readq(registers + IQA_REG);
	u64 size = PAGE_SIZE << (queue & 0x7);
	u64 head = readq(registers + IQH_REG);
	u64 tail = readq(registers + IQT_REG);
	char *ring = phys_to_virt(queue & PAGE_MASK);

	for (; head != tail; head = (head + DESCRIPTOR) % size) {
		__le64 *descriptor = (__le64 *)(ring + head);
		u64 word = le64_to_cpu(descriptor[0]);

		if ((word & 0xf) == WAIT && (word & WAIT_SW))
			WRITE_ONCE(*(__le32 *)phys_to_virt(le64_to_cpu(descriptor[1]) & ~3ULL),
				   cpu_to_le32(word >> 32));
	}
	writeq(head, registers + IQH_REG);
}

static int work(void *unused)
{
	while (!kthread_should_stop()) {
		unsigned long flags;
		u32 command;

		spin_lock_irqsave(&lock, flags);
		command = readl(registers + GCMD_REG);
		if (command != IDLE) {
			writel(IDLE, registers + GCMD_REG);
			execute_command(command);
		}
		if (readl(registers + GSTS_REG) & QIE)
			execute_queue();
		spin_unlock_irqrestore(&lock, flags);
		usleep_range(20, 50);
	}
	return 0;
}

static void vtd_in_memory_stop(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		if (threads[cpu])
			kthread_stop(threads[cpu]);
	/* As if there had never been a unit. */
	memset_io(registers, 0, PAGE_SIZE);
	iounmap(registers);
}

static int __init vtd_in_memory_init(void)
{
	int cpu;

	if (!base || !PAGE_ALIGNED(base)) {
		pr_err("base=%#lx: expected the address of a page\n", base);
		return -EINVAL;
	}
	registers = ioremap(base, PAGE_SIZE);
	if (!registers)
		return -ENOMEM;
	memset_io(registers, 0, PAGE_SIZE);
	writel(0x10, registers + VER_REG);
	writeq(CAPABILITIES, registers + CAP_REG);
	writeq(EXTENDED, registers + ECAP_REG);
	writel(IDLE, registers + GCMD_REG);
	for_each_online_cpu(cpu) {
		struct task_struct *thread = kthread_create_on_cpu(work, NULL, cpu, "unit/%u");

		if (IS_ERR(thread)) {
			vtd_in_memory_stop();
			return PTR_ERR(thread);
		}
		threads[cpu] = thread;
		wake_up_process(thread);
	}
	return 0;
}
module_init(vtd_in_memory_init);

static void __exit vtd_in_memory_exit(void)
{
	vtd_in_memory_stop();
}
module_exit(vtd_in_memory_exit);

MODULE_DESCRIPTION("A VT-d unit made of memory, for tests");
MODULE_LICENSE("GPL");
